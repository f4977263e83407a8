// A message on the wire: record mark, 24-byte header, body. Encoding yields one fragment; decoding
// takes a whole record from the framer. Sequence numbers and times are given, never made here.

import { errorFor } from './error-mapping.ts';
import {
  type MessageTable,
  messagesOf,
  type NdmpVersion,
  type PostBody,
  type PostName,
  type ReplyBody,
  type RequestBody,
  type RequestName,
} from './messages.ts';
import { XdrError, XdrReader, XdrWriter } from './xdr.ts';

export const HEADER_BYTES = 24;
const MARK_BYTES = 4;
const LAST_FRAGMENT = 0x8000_0000;

export const MESSAGE_TYPE = { request: 0, reply: 1 } as const;

export interface Header {
  sequence: number;
  /** Seconds since 1970, as the sender's clock has them. */
  timeStamp: number;
  messageType: number;
  code: number;
  /** The sequence of the request answered; 0 in requests and posts. */
  replySequence: number;
  /** Not 0: the request was not even dispatched, and no body follows. */
  error: number;
}

export interface RawMessage {
  header: Header;
  body: Buffer;
}

/** Splits a record. A record too short for a header throws XdrError; the protocol says to drop it. */
export function splitRecord(record: Buffer): RawMessage {
  const reader = new XdrReader(record);
  const header: Header = {
    sequence: reader.u32(),
    timeStamp: reader.u32(),
    messageType: reader.i32(),
    code: reader.u32(),
    replySequence: reader.u32(),
    error: reader.u32(),
  };
  return { header, body: record.subarray(HEADER_BYTES) };
}

function open(header: Header, sizeHintBytes: number): XdrWriter {
  const writer = new XdrWriter(sizeHintBytes);
  writer.u32(0);
  writer.u32(header.sequence);
  writer.u32(header.timeStamp);
  writer.i32(header.messageType);
  writer.u32(header.code);
  writer.u32(header.replySequence);
  writer.u32(header.error);
  return writer;
}

function seal(writer: XdrWriter): Buffer {
  writer.patchU32(0, (LAST_FRAGMENT | (writer.length - MARK_BYTES)) >>> 0);
  return writer.finish();
}

/** Where a message stands in its direction of the connection. */
export interface Stamp {
  version: NdmpVersion;
  sequence: number;
  timeStamp: number;
}

export function encodeRequest<N extends RequestName>(
  stamp: Stamp,
  name: N,
  body: RequestBody<N>,
): Buffer {
  const row = messagesOf(stamp.version).requests[name];
  const writer = open(headerOf(stamp, MESSAGE_TYPE.request, row.code, 0, 0), 256);
  row.request.encode(writer, body);
  return seal(writer);
}

export function encodeReply<N extends RequestName>(
  stamp: Stamp,
  name: N,
  replySequence: number,
  body: ReplyBody<N>,
): Buffer {
  const row = messagesOf(stamp.version).requests[name];
  const writer = open(headerOf(stamp, MESSAGE_TYPE.reply, row.code, replySequence, 0), 256);
  const told = 'error' in body ? { ...body, error: errorFor(stamp.version, body.error) } : body;
  row.reply.encode(writer, told);
  return seal(writer);
}

/** A reply that only says that its request was not understood or not allowed. */
export function encodeHeaderError(
  stamp: Stamp,
  code: number,
  replySequence: number,
  error: number,
): Buffer {
  const told = errorFor(stamp.version, error);
  return seal(open(headerOf(stamp, MESSAGE_TYPE.reply, code, replySequence, told), 28));
}

export function encodePost<N extends PostName>(stamp: Stamp, name: N, body: PostBody<N>): Buffer {
  const row = messagesOf(stamp.version).posts[name];
  const writer = open(headerOf(stamp, MESSAGE_TYPE.request, row.code, 0, 0), 512);
  row.post.encode(writer, body);
  return seal(writer);
}

/** A post whose body is encoded already, such as a batch of file history. */
export function encodeRawPost(stamp: Stamp, code: number, body: Buffer): Buffer {
  const header = headerOf(stamp, MESSAGE_TYPE.request, code, 0, 0);
  const writer = open(header, MARK_BYTES + HEADER_BYTES + body.length + 4);
  writer.fixed(body);
  return seal(writer);
}

function headerOf(
  stamp: Stamp,
  messageType: number,
  code: number,
  replySequence: number,
  error: number,
): Header {
  return {
    sequence: stamp.sequence,
    timeStamp: stamp.timeStamp,
    messageType,
    code,
    replySequence,
    error,
  };
}

/** What a reply said: its error word, and the body when there was a whole one. */
export interface DecodedReply<N extends RequestName> {
  error: number;
  body: ReplyBody<N> | undefined;
}

/**
 * Decodes a reply. An error in the header and one in the body mean the same; a body cut off after a
 * non-zero error is common and legal. A successful reply that does not decode throws XdrError.
 */
export function decodeReply<N extends RequestName>(
  table: MessageTable,
  name: N,
  { header, body }: RawMessage,
): DecodedReply<N> {
  if (header.error !== 0) return { error: header.error, body: undefined };
  const reader = new XdrReader(body);
  if (body.length === 4 && table.requests[name].reply.bytesMin > 4) {
    const error = reader.u32();
    if (error !== 0) return { error, body: undefined };
    throw new XdrError(`${name}: the reply ends after its error word`);
  }
  try {
    const decoded = table.requests[name].reply.decode(reader);
    const error = 'error' in decoded ? Number(decoded.error) : 0;
    return { error, body: decoded };
  } catch (cause) {
    const error = leadingError(table, name, body);
    if (error === 0) throw cause;
    return { error, body: undefined };
  }
}

/** The error word of a body that does not decode; two state replies have it second since v3. */
function leadingError(table: MessageTable, name: RequestName, body: Buffer): number {
  const second = table.version > 2 && (name === 'dataGetState' || name === 'tapeGetState');
  const at = second && body.length >= 8 ? 4 : 0;
  return body.length >= at + 4 ? body.readUInt32BE(at) : 0;
}
