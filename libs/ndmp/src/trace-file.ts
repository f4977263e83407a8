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
import { isSecretField, type Speaker, type TraceChunk, TraceDecoder } from './trace.ts';
import { bytesFromText, XdrReader } from './xdr.ts';

const RECORD_BYTES_MAX = 64 * 1024 * 1024;
const ERROR_WORD_BYTES = 4;

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

/** Undefined where nothing has to be hidden. Posts have no place for secrets. */
function rewritten(header: Header, body: Buffer, version: NdmpVersion): Buffer | undefined {
  const row = messagesOf(version).byCode(header.code);
  if (row === undefined || row.kind === 'post') return undefined;
  const stamp = { version, sequence: header.sequence, timeStamp: header.timeStamp };
  const reader = new XdrReader(body);
  if (header.messageType !== MESSAGE_TYPE.reply) {
    const told = row.request.decode(reader);
    return blank(told) ? encodeRequest(stamp, row.name, told) : undefined;
  }
  if (header.error !== 0 || body.length <= ERROR_WORD_BYTES) return undefined;
  const told = row.reply.decode(reader);
  return blank(told) ? encodeReply(stamp, row.name, header.replySequence, told) : undefined;
}

/** Overwrites the secrets in a body, each by something of its length; true when there was one. */
function blank(value: unknown): boolean {
  if (value === null || typeof value !== 'object' || Buffer.isBuffer(value)) return false;
  let wasThere = false;
  const fields = value as Record<string, unknown>;
  for (const [name, field] of Object.entries(fields)) {
    if (!isSecretField(fields, name)) wasThere = blank(field) || wasThere;
    else {
      wasThere = true;
      fields[name] = Buffer.isBuffer(field) ? Buffer.alloc(field.length) : starred(String(field));
    }
  }
  return wasThere;
}

function starred(secret: string): string {
  return '*'.repeat(bytesFromText(secret).length);
}
