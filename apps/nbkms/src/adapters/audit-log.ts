// The audit trail on the disk: lines are on it before what they tell of is answered, and many that come at once share
// one flush. When it cannot be written nothing is changed and no key is given out.

import { existsSync, readFileSync, truncateSync } from 'node:fs';
import { StatusError } from '@tapestry/status';
import {
  type AuditEvent,
  type AuditLine,
  type ChainHead,
  nextLine,
  verifyChain,
} from './audit-chain.ts';
import { type FilePort, writeAll } from './file-port.ts';

export interface AuditLog {
  readonly head: ChainHead;
  /** The last line that the life before left. */
  readonly last: AuditLine | undefined;
  /** Returns when it is on the disk. Errors: 1274. */
  note(event: AuditEvent): Promise<void>;
  close(): Promise<void>;
}

/** Errors: 1253 the trail was changed by somebody. */
export async function openAuditLog(files: FilePort, path: string): Promise<AuditLog> {
  const found = readTrail(path);
  let { head } = found;
  const file = await files.append(path);
  let waiting: string[] = [];
  let flush: Promise<void> | undefined;
  let failed: unknown;

  const writeOut = async (): Promise<void> => {
    // Whoever comes while this batch is being collected goes with it.
    await Promise.resolve();
    const lines = waiting;
    waiting = [];
    flush = undefined;
    await writeAll(file, Buffer.from(lines.join('')), null);
    await file.sync();
  };
  let last: Promise<void> = Promise.resolve();

  return {
    last: found.last,
    get head() {
      return head;
    },
    async note(event) {
      if (failed !== undefined) throw unavailable(path, failed);
      const next = nextLine(head, event);
      head = next.head;
      waiting.push(next.text);
      // One batch after the other: the next is collected while this one is flushed.
      flush ??= last = last.then(writeOut);
      try {
        await flush;
      } catch (error) {
        failed = error;
        throw unavailable(path, error);
      }
    },
    async close() {
      await last.catch(() => undefined);
      await file.close();
    },
  };
}

function readTrail(path: string): { head: ChainHead; last: AuditLine | undefined } {
  const verdict = verifyChain(existsSync(path) ? readFileSync(path, 'utf8') : '');
  if (verdict.kind === 'broken') {
    const why = `line ${verdict.line} of ${path} ${verdict.why}: keep it, and move it away to start`;
    throw new StatusError('kmsFileTampered', why);
  }
  if (verdict.kind === 'torn') truncateSync(path, verdict.bytes);
  return verdict;
}

function unavailable(path: string, cause: unknown): StatusError {
  const why = `${path} cannot be written: ${(cause as Error).message}`;
  return new StatusError('auditUnavailable', why, {}, { cause });
}
