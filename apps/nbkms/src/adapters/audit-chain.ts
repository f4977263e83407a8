// The audit trail's chain: each line carries the digest of the line before, so that a line that was changed, taken out
// or put in shows. Pure: bytes in, verdict out.

import { createHash } from 'node:crypto';

export interface AuditEvent {
  readonly timeMs: number;
  /** Service and host of the caller. */
  readonly actor: string;
  /** `CreateKey`, `deliver`, `quiesce` … */
  readonly action: string;
  /** Names and tags, never a secret. */
  readonly object: string;
  /** `intent`, `ok`, or the status it was refused with. */
  readonly outcome: string;
  readonly generation: string;
  /** Why it was asked for, or the job that it is for. */
  readonly reason: string;
}

export interface AuditLine extends AuditEvent {
  readonly seq: number;
  readonly previous: string;
  readonly hash: string;
}

export interface ChainHead {
  readonly seq: number;
  readonly hash: string;
}

export const CHAIN_START: ChainHead = { seq: 0, hash: '0'.repeat(64) };

/** The next line, ended by a line feed. */
export function nextLine(
  head: ChainHead,
  event: AuditEvent,
): { readonly text: string; readonly head: ChainHead } {
  const said = { seq: head.seq + 1, ...event, previous: head.hash };
  const hash = hashOf(said);
  return { text: `${JSON.stringify({ ...said, hash })}\n`, head: { seq: said.seq, hash } };
}

export type ChainVerdict =
  | { readonly kind: 'whole'; readonly head: ChainHead; readonly last: AuditLine | undefined }
  /** The last line was never finished: a crash, nothing that was answered. */
  | {
      readonly kind: 'torn';
      readonly head: ChainHead;
      readonly last: AuditLine | undefined;
      readonly bytes: number;
    }
  | { readonly kind: 'broken'; readonly line: number; readonly why: string };

/** Goes through a whole trail. `begin`: where an earlier file ended. */
export function verifyChain(text: string, begin: ChainHead = CHAIN_START): ChainVerdict {
  let head = begin;
  let last: AuditLine | undefined;
  let at = 0;
  for (let line = 1; at < text.length; line += 1) {
    const end = text.indexOf('\n', at);
    if (end === -1) {
      return { kind: 'torn', head, last, bytes: Buffer.byteLength(text.slice(0, at)) };
    }
    const read = readLine(text.slice(at, end));
    if (read === undefined) return { kind: 'broken', line, why: 'is no line of this trail' };
    if (read.previous !== head.hash || read.seq !== head.seq + 1) {
      return { kind: 'broken', line, why: 'does not follow the line before it' };
    }
    head = { seq: read.seq, hash: read.hash };
    last = read;
    at = end + 1;
  }
  return { kind: 'whole', head, last };
}

/** Undefined: not ours, or changed. */
function readLine(text: string): AuditLine | undefined {
  try {
    const { hash, ...said } = JSON.parse(text) as AuditLine;
    return typeof said.seq === 'number' && hashOf(said) === hash ? { ...said, hash } : undefined;
  } catch {
    return undefined;
  }
}

function hashOf(said: Omit<AuditLine, 'hash'>): string {
  const canonical = Object.entries(said).sort(([a], [b]) => (a < b ? -1 : 1));
  return createHash('sha256').update(JSON.stringify(canonical)).digest('hex');
}
