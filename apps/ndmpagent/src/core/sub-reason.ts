// Why a filer failed, as far as its words and codes tell: one short reason with a cure instead of a bare status 99.
// The rows are tried in order; words count before codes, because filers say "internal error" for most things.

import { NDMP_ERROR } from '@tapestry/ndmp';

export interface SubReason {
  /** For programs; goes with the status as its context. */
  readonly name: string;
  /** For people, after the failure itself. */
  readonly text: string;
}

interface Row extends SubReason {
  /** Found in the filer's words. */
  readonly words?: RegExp;
  /** NDMP_ERROR of a refusal. */
  readonly errors?: readonly number[];
}

const ROWS: readonly Row[] = [
  {
    name: 'loginRefused',
    text: 'the log-in was refused: enter user and password again with tpconfig',
    words: /\b(authenticat\w*|log-?in|password)\b.*\b(fail|refus|denied|invalid|incorrect)/i,
    errors: [NDMP_ERROR.notAuthorized],
  },
  {
    name: 'tooManySessions',
    text: 'the filer takes no more NDMP sessions: end some there, or run fewer backups of it at once',
    words:
      /\b(too many|maximum (number )?of|session limit|no more)\b.*\b(session|connection|backup)/i,
  },
  {
    name: 'baseMissing',
    text: 'the base of this incremental is gone on the filer: run a full backup',
    words:
      /\b(base|reference|previous|common)\b.{0,40}\b(snapshot|backup|date|dump)\b.{0,60}\b(not found|missing|deleted|does not exist|not exist|invalid|cannot)/i,
  },
  {
    name: 'snapshotFailed',
    text: 'the filer could not make or read a snapshot: look for space and snapshot limits there',
    words: /\b(snap(shot|sure)?|checkpoint)\b.{0,80}\b(fail|cannot|could not|unable|error|limit)/i,
  },
  {
    name: 'noSpace',
    text: 'there is no space left on the filer, or a quota is used up',
    words: /\b(no space|disk (is )?full|out of (disk )?space|quota|enospc|edquot)\b/i,
  },
  {
    name: 'directAccessRefused',
    text: 'the filer refused direct access',
    words:
      /\binvalid nlist\b|\b(direct access|DAR|tape[_ ]?offset|fh[_ ]?info|offset map)\b.{0,80}\b(not|no|invalid|refus\w*|fail\w*|unsupported|cannot|error)\b/i,
  },
  {
    name: 'pathNotFound',
    text: 'the path is not there: check the spelling, and what ndmp-probe lists as file systems',
    words:
      /\b(no such (file|directory|path|volume|export)|not found|does not exist|doesn't exist|unknown (path|volume|export)|not exported|invalid (path|directory|volume|file ?system)|enoent|not a directory)\b/i,
    errors: [NDMP_ERROR.fileNotFound],
  },
  {
    name: 'readOnly',
    text: 'the destination cannot be written: it is read-only there',
    words: /\b(read-?only|erofs)\b/i,
    errors: [NDMP_ERROR.writeProtect],
  },
  {
    name: 'permissionDenied',
    text: "the NDMP user may not do this: check its rights, and the export's, on the filer",
    words: /\b(permission|access (is )?denied|not permitted|eacces|eperm|not allowed)\b/i,
    errors: [NDMP_ERROR.permission],
  },
  {
    name: 'busy',
    text: 'the filer is busy with it: try again when the other operation is over',
    words: /\b(busy|in use|already (running|active|in progress))\b/i,
    errors: [NDMP_ERROR.deviceBusy, NDMP_ERROR.deviceOpened],
  },
  {
    name: 'moverUnreachable',
    text: "the filer cannot reach this media server's data port: check firewalls and BPTM_DATA_HOST",
    words:
      /\b(connection (was )?(refused|timed out)|econnrefused|etimedout|no route|unreachable|cannot connect)\b/i,
    errors: [NDMP_ERROR.connect],
  },
  {
    name: 'moverLost',
    text: 'the data connection to this media server broke',
    words: /\b(broken pipe|connection (was )?(reset|closed|lost|aborted)|epipe|econnreset)\b/i,
  },
  {
    name: 'ioError',
    text: 'the filer could not read or write its own storage: look at its own log',
    words: /\b(i\/?o error|input\/output|read error|write error|checksum|corrupt\w*|eio)\b/i,
    errors: [NDMP_ERROR.io],
  },
  {
    name: 'badVariable',
    text: 'the filer does not accept what it was asked: check the variables (SET …) of the policy',
    words:
      /\b(invalid|illegal|unknown|bad|unsupported)\b.{0,40}\b(variable|environment|env|option|value|level|type|argument)/i,
    errors: [NDMP_ERROR.illegalArgs],
  },
  {
    name: 'noMemory',
    text: 'the filer has no memory left for this',
    words: /\b(out of memory|not enough memory|cannot allocate|enomem)\b/i,
    errors: [NDMP_ERROR.noMemory],
  },
  {
    name: 'notSupported',
    text: 'the filer does not know this request: ndmp-probe tells what it offers',
    words: /\bnot (supported|implemented)\b/i,
    errors: [NDMP_ERROR.notSupported, NDMP_ERROR.classNotSupported, NDMP_ERROR.versionNotSupported],
  },
  {
    name: 'wrongState',
    text: 'the filer was in another state than expected: ndmp-probe and NDMPAGENT_TRACE_DIR show more',
    errors: [NDMP_ERROR.illegalState, NDMP_ERROR.precondition],
  },
];

/** The newest of the filer's lines that means something decides; then the code. Null when nothing tells. */
export function subReasonOf(lines: readonly string[], error = 0): SubReason | null {
  for (const line of [...lines].reverse()) {
    const found = ROWS.find(({ words }) => words?.test(line));
    if (found !== undefined) return found;
  }
  return ROWS.find(({ errors }) => errors?.includes(error)) ?? null;
}

/**
 * `; the path is not there … ; its last words: a | b`, as far as there is something to say. `message` is what we say
 * ourselves, with the filer's answer in it: it counts after the lines, and is not repeated.
 */
export function explained(
  lines: readonly string[],
  error = 0,
  message = '',
): { text: string; context: Record<string, string> } {
  const reason = subReasonOf([message, ...lines], error);
  const why = reason === null ? '' : `; ${reason.text}`;
  const words = lines.length === 0 ? '' : `; its last words: ${lines.join(' | ')}`;
  return { text: why + words, context: { reason: reason?.name ?? 'unknown' } };
}
