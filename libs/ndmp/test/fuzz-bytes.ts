// Fuzzing of the byte level: bodies that the catalogue makes up and a mutation spoils, framings cut
// anywhere, and posts and replies that reach a client spoilt.

import { ClientSession } from '../src/client-session.ts';
import type { Codec } from '../src/codec.ts';
import { type Entropy, entropyReader } from '../src/entropy-reader.test-data.ts';
import { encodePost, encodeReply, encodeRequest } from '../src/envelope.ts';
import { FramingError, RecordFramer } from '../src/framer.ts';
import {
  messagesOf,
  type NdmpVersion,
  type PostRow,
  type RequestName,
  type RequestRow,
} from '../src/messages.ts';
import { XdrError, XdrReader, XdrWriter } from '../src/xdr.ts';

const WORDS = [0, 1, 3, 4, 0x7f, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_fffc, 0xffff_ffff];

export function pick<T>(entropy: Entropy, from: readonly T[]): T {
  return from[entropy.below(from.length)] as T;
}

interface Rows {
  readonly requests: readonly RequestRow[];
  readonly posts: readonly PostRow[];
  readonly bodies: readonly { name: string; codec: Codec<unknown> }[];
}

function rowsOf(version: NdmpVersion): Rows {
  const table = messagesOf(version);
  const isSpoken = (row: { isSpoken: boolean }): boolean => row.isSpoken;
  const requests = (Object.values(table.requests) as RequestRow[]).filter(isSpoken);
  const posts = (Object.values(table.posts) as PostRow[]).filter(isSpoken);
  const bodies = [
    ...requests.flatMap(({ name, request, reply }) => [
      { name: `${name} request`, codec: request as Codec<unknown> },
      { name: `${name} reply`, codec: reply as Codec<unknown> },
    ]),
    ...posts.map(({ name, post }) => ({ name, codec: post as Codec<unknown> })),
  ];
  return { requests, posts, bodies };
}

export const ROWS: Readonly<Record<NdmpVersion, Rows>> = {
  2: rowsOf(2),
  3: rowsOf(3),
  4: rowsOf(4),
};
export const VERSIONS: readonly NdmpVersion[] = [2, 3, 4];

/** Spoils bytes in one of the ways in which they go wrong on the way or by intent. */
export function mutated(entropy: Entropy, bytes: Buffer): Buffer {
  if (bytes.length === 0) return Buffer.alloc(entropy.below(9), 0xff);
  const copy = Buffer.from(bytes);
  const at = entropy.below(copy.length);
  const word = (at & ~3) + 4 <= copy.length ? at & ~3 : -1;
  switch (entropy.below(7)) {
    case 0:
      copy[at] = (copy[at] ?? 0) ^ (1 << entropy.below(8));
      return copy;
    case 1:
      return copy.subarray(0, at);
    case 2:
      return Buffer.concat([copy, Buffer.alloc(entropy.below(16), entropy.below(256))]);
    case 3:
      return Buffer.concat([copy.subarray(0, at), copy.subarray(entropy.below(copy.length))]);
    case 4:
      copy.fill(entropy.below(256), at, Math.min(copy.length, at + entropy.below(12)));
      return copy;
    case 5:
      return Buffer.concat([copy.subarray(0, at), copy]);
    default:
      if (word >= 0) copy.writeUInt32BE(pick(entropy, WORDS), word);
      return copy;
  }
}

function encoded(codec: Codec<unknown>, value: unknown): Buffer {
  const writer = new XdrWriter(64);
  codec.encode(writer, value);
  return writer.finish();
}

/** What decodes must encode to something that decodes to the same. */
export function fuzzBody(entropy: Entropy): void {
  const { name, codec } = pick(entropy, ROWS[pick(entropy, VERSIONS)].bodies);
  const clean = encoded(codec, codec.decode(entropyReader(entropy)));
  const bytes = entropy.below(4) === 0 ? clean : mutated(entropy, clean);
  let value: unknown;
  try {
    value = codec.decode(new XdrReader(bytes));
  } catch (error) {
    if (error instanceof XdrError && bytes !== clean) return;
    throw error;
  }
  const first = encoded(codec, value);
  const second = encoded(codec, codec.decode(new XdrReader(first)));
  if (!first.equals(second)) throw new Error(`${name}: ${first.toString('hex')} does not last`);
}

/** Records come out as they went in, whatever the fragments and the chunks. */
export function fuzzFraming(entropy: Entropy): void {
  const records = Array.from({ length: 1 + entropy.below(3) }, () =>
    Buffer.alloc(entropy.below(200), entropy.below(256)),
  );
  const stream = Buffer.concat(records.flatMap((record) => fragmented(entropy, record)));
  const isSpoilt = entropy.below(2) === 0;
  const seen: Buffer[] = [];
  const framer = new RecordFramer(600);
  try {
    for (const chunk of chunked(entropy, isSpoilt ? mutated(entropy, stream) : stream)) {
      framer.push(chunk, (record) => seen.push(Buffer.from(record)));
    }
  } catch (error) {
    if (isSpoilt && error instanceof FramingError) return;
    throw error;
  }
  if (isSpoilt) return;
  const isSame =
    seen.length === records.length && seen.every((r, i) => r.equals(records[i] as Buffer));
  if (!isSame || !framer.atBoundary) throw new Error('records were lost or changed');
}

function fragmented(entropy: Entropy, record: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  let at = 0;
  do {
    const end = entropy.below(2) === 0 ? record.length : at + entropy.below(record.length - at + 1);
    const mark = Buffer.alloc(4);
    const isLast = end === record.length && (parts.length > 6 || entropy.below(3) > 0);
    mark.writeUInt32BE((end - at + (isLast ? 0x8000_0000 : 0)) >>> 0);
    parts.push(mark, record.subarray(at, end));
    at = end;
    if (isLast) return parts;
  } while (parts.length < 40);
  const last = Buffer.from([0x80, 0, 0, 0]);
  last.writeUInt32BE((record.length - at + 0x8000_0000) >>> 0);
  return [...parts, last, record.subarray(at)];
}

export function* chunked(entropy: Entropy, stream: Buffer): Generator<Buffer> {
  let at = 0;
  while (at < stream.length) {
    const size = entropy.below(4) === 0 ? 1 + entropy.below(7) : 1 + entropy.below(400);
    // A copy of its own, as a socket would give it.
    yield Buffer.from(stream.subarray(at, at + size));
    at += size;
  }
}

/** A server that says what it likes: a client ends, and does nothing else. */
export function fuzzClient(entropy: Entropy): void {
  const version = pick(entropy, VERSIONS);
  const client = new ClientSession(1 << 20);
  client.version = version;
  const parts: Buffer[] = [];
  for (let sequence = 1; sequence <= 4; sequence += 1) {
    const row = pick(entropy, ROWS[version].requests);
    const body = row.request.decode(entropyReader(entropy));
    client.request(row.name as RequestName, body as never, 1);
    const stamp = { version, sequence, timeStamp: 1 };
    if (entropy.below(2) === 0) {
      const reply = row.reply.decode(entropyReader(entropy));
      parts.push(encodeReply(stamp, row.name, sequence, reply as never));
    } else {
      const post = pick(entropy, ROWS[version].posts);
      const said = post.post.decode(entropyReader(entropy));
      parts.push(encodePost(stamp, post.name, said as never));
    }
  }
  const spoilt = parts.map((part) => (entropy.below(3) === 0 ? mutated(entropy, part) : part));
  try {
    for (const chunk of chunked(entropy, Buffer.concat(spoilt))) client.receive(chunk, () => {});
  } catch (error) {
    if (error instanceof FramingError || error instanceof XdrError) return;
    throw error;
  }
}

/** A request as a DMA would send it, made up from the catalogue. */
export function madeUpRequest(
  entropy: Entropy,
  at: { version: NdmpVersion; sequence: number },
  name: RequestName,
): Buffer {
  const row = ROWS[at.version].requests.find((each) => each.name === name);
  if (row === undefined) return Buffer.alloc(0);
  const body = row.request.decode(entropyReader(entropy));
  return encodeRequest({ ...at, timeStamp: 1 }, name, body as never);
}
