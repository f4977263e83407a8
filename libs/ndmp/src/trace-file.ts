// Recorded sessions as text: one record a line, who said it and its bytes, with secrets overwritten in
// the bytes themselves. What is written here may be shown around, and played to a server again.

import {
  encodeReply,
  encodeRequest,
  HEADER_BYTES,
  type Header,
  MESSAGE_TYPE,
  splitRecord,
} from './envelope.ts';
import { RecordFramer } from './framer.ts';
import { messagesOf, type NdmpVersion } from './messages.ts';
import type { Pval } from './structures.ts';
import { isSecretVariable, type Speaker, type TraceChunk, TraceDecoder } from './trace.ts';
import { XdrReader } from './xdr.ts';

const RECORD_BYTES_MAX = 64 * 1024 * 1024;

/** Collects what both sides say; lines come whole records at a time. */
export class TraceWriter {
  readonly #framers: Readonly<Record<Speaker, RecordFramer>> = {
    dma: new RecordFramer(RECORD_BYTES_MAX),
    server: new RecordFramer(RECORD_BYTES_MAX),
  };
  /** Follows the version, which decides on the layout of what is hidden. */
  readonly #decoder = new TraceDecoder();

  /** The lines of the records that this chunk completes. Throws FramingError on a broken stream. */
  push({ from, bytes }: TraceChunk): string[] {
    const lines: string[] = [];
    this.#framers[from].push(bytes, (record) => {
      const { version } = this.#decoder;
      const whole = withoutSecrets(marked(record), version);
      this.#decoder.push({ from, bytes: whole });
      lines.push(`${from} ${whole.toString('hex')}`);
    });
    return lines;
  }
}

/** The inverse of TraceWriter; lines that are none of its own are left out. */
export function readTrace(text: string): TraceChunk[] {
  return text.split('\n').flatMap((line) => {
    const [from, hex] = line.trim().split(' ');
    const isOurs = (from === 'dma' || from === 'server') && /^([0-9a-f]{2})+$/.test(hex ?? '');
    return isOurs ? [{ from, bytes: Buffer.from(hex ?? '', 'hex') }] : [];
  });
}

function marked(record: Buffer): Buffer {
  const mark = Buffer.alloc(4);
  mark.writeUInt32BE((0x8000_0000 + record.length) >>> 0);
  return Buffer.concat([mark, record]);
}

/** The same record with every secret overwritten, of the same length. */
function withoutSecrets(whole: Buffer, version: NdmpVersion): Buffer {
  if (whole.length < 4 + HEADER_BYTES) return whole;
  const { header, body } = splitRecord(whole.subarray(4));
  try {
    return rewritten(header, body, version) ?? whole;
  } catch {
    // What does not decode may hold a secret all the same: only its header stays.
    return whole.fill(0, 4 + HEADER_BYTES);
  }
}

function rewritten(header: Header, body: Buffer, version: NdmpVersion): Buffer | undefined {
  const { requests } = messagesOf(version);
  const stamp = { version, sequence: header.sequence, timeStamp: header.timeStamp };
  const isReply = header.messageType === MESSAGE_TYPE.reply;
  const reader = new XdrReader(body);
  if (header.code === requests.connectClientAuth.code && !isReply) {
    const { auth } = requests.connectClientAuth.request.decode(reader);
    if (auth.type === 'text') auth.password = starred(auth.password);
    if (auth.type === 'md5') auth.digest = Buffer.alloc(auth.digest.length);
    return encodeRequest(stamp, 'connectClientAuth', { auth });
  }
  if (header.code === requests.configGetAuthAttr.code && isReply && body.length > 4) {
    const { error, attr } = requests.configGetAuthAttr.reply.decode(reader);
    if (attr.challenge !== undefined) attr.challenge = Buffer.alloc(attr.challenge.length);
    return encodeReply(stamp, 'configGetAuthAttr', header.replySequence, { error, attr });
  }
  for (const name of ['dataStartBackup', 'dataStartRecover'] as const) {
    if (header.code !== requests[name].code || isReply) continue;
    const decoded = requests[name].request.decode(reader);
    return encodeRequest(stamp, name, { ...decoded, env: decoded.env.map(quiet) } as never);
  }
  if (header.code === requests.dataGetEnv.code && isReply && body.length > 4) {
    const { error, env } = requests.dataGetEnv.reply.decode(reader);
    return encodeReply(stamp, 'dataGetEnv', header.replySequence, { error, env: env.map(quiet) });
  }
  return undefined;
}

function quiet({ name, value }: Pval): Pval {
  return { name, value: isSecretVariable(name) ? starred(value) : value };
}

function starred(secret: string): string {
  return '*'.repeat(Buffer.byteLength(secret));
}
