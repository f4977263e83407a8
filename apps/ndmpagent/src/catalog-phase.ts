// What follows a well-ended backup: the file list is built from the spool in a process of its own and delivered. It may be
// done again after any crash, until bpdbm has the list.

import { rm } from 'node:fs/promises';
import { startBuild } from '@tapestry/catalog';
import type { StartBackupRequest } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { deliverFileList } from './adapters/file-list-delivery.ts';
import type { SessionContext } from './session-context.ts';

const BUILD_TRIES = 3;

/** Ends with the session DONE, and its files gone. Errors: 99 and those of the build. */
export async function runCatalog(
  context: SessionContext,
  request: StartBackupRequest,
  spoolPath: string,
): Promise<void> {
  const { parts, lease, signal, filerLog } = context;
  context.update({ phase: 'SESSION_PHASE_CATALOGING' }, 'durable');
  const file = `${spoolPath}.parquet`;
  const timeout = AbortSignal.timeout(parts.config.catalogTimeoutMs);
  const limited = AbortSignal.any([signal, timeout]);
  const built = await build(context, { spoolPath, file, prefix: request.job?.backup?.path ?? '/' });
  for (const [index, text] of built.warnings.entries()) {
    filerLog.tell(`history-${index}`, `file history: ${text}`, 'warning');
  }
  const fileList = {
    sha256: new Uint8Array(Buffer.from(built.sha256, 'hex')),
    sizeBytes: BigInt(built.sizeBytes),
    entries: BigInt(built.entries),
  };
  const backupId = request.image?.backupId ?? '';
  const { attempt } = lease;
  const delivery = { attempt, backupId, file, fileList };
  await deliverFileList(parts.bpdbm, delivery, limited, (error) =>
    parts.log.warn({ err: error, backupId }, 'the file list is not delivered yet'),
  ).catch((error: unknown) => {
    if (!timeout.aborted) throw error;
    throw new StatusError(
      'ndmpFailed',
      `the file list of ${backupId} could not be delivered in time`,
    );
  });
  filerLog.tell(
    'catalog',
    `file list delivered: ${built.entries} entries, ${built.sizeBytes} bytes`,
  );
  const done = { phase: 'SESSION_PHASE_DONE', files: fileList.entries, fileList } as const;
  context.update(done, 'durable');
  await Promise.all([rm(spoolPath, { force: true }), rm(file, { force: true })]);
}

async function build(
  { parts, signal }: SessionContext,
  { spoolPath, file, prefix }: { spoolPath: string; file: string; prefix: string },
) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await startBuild(
        { spoolPath, outPath: file, prefix },
        { timeoutMs: parts.config.catalogTimeoutMs, signal },
      );
    } catch (error) {
      signal.throwIfAborted();
      if (tries >= BUILD_TRIES || !(error instanceof StatusError)) throw error;
      // A build that was killed (memory, an operator) may do better the next time; its input is unchanged.
      if (error.status !== 'killedBySignal') throw error;
      parts.log.warn({ err: error, spoolPath }, 'the build of a file list is tried again');
    }
  }
}
