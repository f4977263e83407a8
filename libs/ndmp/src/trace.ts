// A recorded session in words: one line a message, with its number, its name and its fields. Secrets
// are never shown: passwords, digests, challenges, and variables whose name says that they are one.

import { NDMP_ERROR, nameOf } from './constants.ts';
import { decodeReply, HEADER_BYTES, type Header, MESSAGE_TYPE, splitRecord } from './envelope.ts';
import { RecordFramer } from './framer.ts';
import { classOfMessage } from './message-class.ts';
import {
  isVersion,
  messagesOf,
  type NdmpVersion,
  type PostRow,
  type RequestRow,
} from './messages.ts';
import { XdrReader } from './xdr.ts';

export type Speaker = 'dma' | 'server';

/** Bytes as they came from one side; any cut of the stream is good. */
export interface TraceChunk {
  readonly from: Speaker;
  readonly bytes: Buffer;
}

export interface TracedMessage {
  readonly from: Speaker;
  readonly kind: 'request' | 'reply' | 'post' | 'broken';
  /** The catalogue's name, or the number of a message that it does not have. */
  readonly name: string;
  readonly sequence: number;
  /** Of a reply: the number of its request. */
  readonly replySequence: number;
  /** NDMP_ERROR of a reply, from its header or its body. */
  readonly error: number;
  /** What the body says, without secrets; empty for a body that does not decode. */
  readonly fields: Readonly<Record<string, unknown>>;
}

const RECORD_BYTES_MAX = 64 * 1024 * 1024;
const HIDDEN = '(hidden)';
const SHOWN_BYTES_MAX = 32;
const SHOWN_ELEMENTS_MAX = 8;
const SECRET_FIELD = /^(password|digest|challenge)$/;
const SECRET_VARIABLE = /PASS|SECRET|TOKEN|KEY|CREDENTIAL/i;

/** True for a field that is a secret by its own name, or as the value of a variable by that one's. */
export function isSecretField(fields: Readonly<Record<string, unknown>>, field: string): boolean {
  if (SECRET_FIELD.test(field)) return true;
  return field === 'value' && typeof fields.name === 'string' && SECRET_VARIABLE.test(fields.name);
}

/** Decodes both directions of one connection, following the version that they agree on. */
export class TraceDecoder {
  readonly #framers: Readonly<Record<Speaker, RecordFramer>> = {
    dma: new RecordFramer(RECORD_BYTES_MAX),
    server: new RecordFramer(RECORD_BYTES_MAX),
  };
  readonly #asked = new Map<number, RequestRow>();
  #version: NdmpVersion = 4;
  /** CONNECT_OPEN on its way: its version counts once it is accepted. */
  #proposed = new Map<number, number>();

  get version(): NdmpVersion {
    return this.#version;
  }

  /** The messages that this chunk completes. Throws FramingError where the stream cannot be cut. */
  push(chunk: TraceChunk): TracedMessage[] {
    const found: TracedMessage[] = [];
    this.#framers[chunk.from].push(chunk.bytes, (record) => {
      found.push(this.#decode(chunk.from, record));
    });
    return found;
  }

  #decode(from: Speaker, record: Buffer): TracedMessage {
    if (record.length < HEADER_BYTES) return brokenMessage(from, 'too short', NO_HEADER);
    const { header, body } = splitRecord(record);
    try {
      if (header.messageType === MESSAGE_TYPE.reply) return this.#reply(from, header, body);
      if (header.messageType === MESSAGE_TYPE.request) return this.#message(from, header, body);
      return brokenMessage(from, this.#nameOf(header.code), header);
    } catch {
      return brokenMessage(from, this.#nameOf(header.code), header);
    }
  }

  #message(from: Speaker, header: Header, body: Buffer): TracedMessage {
    const row = messagesOf(this.#version).byCode(header.code);
    const kind = from === 'server' ? 'post' : 'request';
    const plain = { from, kind, sequence: header.sequence, replySequence: 0, error: 0 } as const;
    if (row === undefined) return { ...plain, name: this.#nameOf(header.code), fields: {} };
    const fields = fieldsOf(row.kind === 'request' ? row.request : (row as PostRow).post, body);
    if (row.kind === 'request') this.#remember(row, header.sequence, fields);
    if (row.name === 'notifyConnectionStatus') this.#adopt(Number(fields.version));
    return { ...plain, name: row.name, fields: hidden(fields) };
  }

  #remember(row: RequestRow, sequence: number, fields: Record<string, unknown>): void {
    this.#asked.set(sequence, row);
    if (row.name === 'connectOpen') this.#proposed.set(sequence, Number(fields.version));
  }

  #reply(from: Speaker, header: Header, body: Buffer): TracedMessage {
    const { replySequence } = header;
    const row = this.#asked.get(replySequence);
    this.#asked.delete(replySequence);
    const plain = { from, kind: 'reply', sequence: header.sequence, replySequence } as const;
    if (row === undefined) {
      return { ...plain, name: this.#nameOf(header.code), error: header.error, fields: {} };
    }
    const decoded = decodeReply(messagesOf(this.#version), row.name, { header, body });
    const version = this.#proposed.get(replySequence);
    this.#proposed.delete(replySequence);
    if (version !== undefined && decoded.error === NDMP_ERROR.noError) this.#adopt(version);
    const { error: _, ...fields } = { error: 0, ...(decoded.body as object | undefined) };
    return { ...plain, name: row.name, error: decoded.error, fields: hidden(fields) };
  }

  #adopt(version: number): void {
    if (isVersion(version)) this.#version = version;
  }

  #nameOf(code: number): string {
    const row = messagesOf(this.#version).byCode(code);
    if (row !== undefined) return row.name;
    const { origin, owner } = classOfMessage(this.#version, code);
    const whose = owner === undefined ? origin : `${origin} ${owner}`;
    return `0x${code.toString(16)} (${whose})`;
  }
}

const NO_HEADER: Header = {
  sequence: 0,
  timeStamp: 0,
  messageType: 0,
  code: 0,
  replySequence: 0,
  error: 0,
};

function brokenMessage(from: Speaker, name: string, header: Header): TracedMessage {
  const { sequence, replySequence, error } = header;
  return { from, kind: 'broken', name, sequence, replySequence, error, fields: {} };
}

function fieldsOf(
  codec: { decode(reader: XdrReader): unknown },
  body: Buffer,
): Record<string, unknown> {
  const value = codec.decode(new XdrReader(body));
  return Array.isArray(value) ? { entries: value } : { ...(value as object) };
}

/** The same fields without what must not be seen. */
function hidden(fields: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      isSecretField(fields, name) ? HIDDEN : hiddenValue(value),
    ]),
  );
}

function hiddenValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(hiddenValue);
  if (Buffer.isBuffer(value) || value === null || typeof value !== 'object') return value;
  return hidden(value as Record<string, unknown>);
}

/** One line for people: `12 dma> dataConnect address={…}` and `9 server< dataConnect to 12: connect`. */
export function traceLine(message: TracedMessage): string {
  const { from, kind, name, sequence, replySequence, error, fields } = message;
  const arrow = kind === 'reply' ? '<' : kind === 'post' ? '!' : '>';
  const to = kind === 'reply' ? ` to ${replySequence}` : '';
  const outcome = kind === 'reply' ? `: ${nameOf(NDMP_ERROR, error)}` : '';
  const broken = kind === 'broken' ? ' does not decode' : '';
  const shown = Object.entries(fields).map(([key, value]) => ` ${key}=${shownValue(value)}`);
  return `${sequence} ${from}${arrow} ${name}${to}${outcome}${broken}${shown.join('')}`;
}

function shownValue(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'string') return JSON.stringify(value);
  if (Buffer.isBuffer(value)) return shownBytes(value);
  if (Array.isArray(value)) {
    const shown = value.slice(0, SHOWN_ELEMENTS_MAX).map(shownValue);
    const more = value.length - shown.length;
    return `[${shown.join(', ')}${more > 0 ? `, ${more} more` : ''}]`;
  }
  if (value === null || typeof value !== 'object') return String(value);
  const pairs = Object.entries(value).map(([key, each]) => `${key}: ${shownValue(each)}`);
  return `{${pairs.join(', ')}}`;
}

function shownBytes(bytes: Buffer): string {
  if (bytes.length > SHOWN_BYTES_MAX) return `<${bytes.length} bytes>`;
  return `<${bytes.toString('hex')}>`;
}

/** A whole recorded session, message by message. */
export function traceLines(chunks: Iterable<TraceChunk>): string[] {
  const decoder = new TraceDecoder();
  const lines: string[] = [];
  for (const chunk of chunks) lines.push(...decoder.push(chunk).map(traceLine));
  return lines;
}
