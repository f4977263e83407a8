// Properties of the byte level: XDR, record marking, and the envelope of a message.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { md5Answer } from './authentication.ts';
import { U64_MAX } from './constants.ts';
import {
  decodeReply,
  encodeHeaderError,
  encodePost,
  encodeReply,
  encodeRequest,
  type Stamp,
  splitRecord,
} from './envelope.ts';
import { FramingError, RecordFramer } from './framer.ts';
import { messagesOf } from './messages.ts';
import { bytesFromText, textFromBytes, XdrError, XdrReader, XdrWriter } from './xdr.ts';

const stamp: Stamp = { version: 4, sequence: 7, timeStamp: 0x6b026d5e };

function recordsOf(framer: RecordFramer, chunks: Iterable<Buffer>): Buffer[] {
  const records: Buffer[] = [];
  for (const chunk of chunks) framer.push(chunk, (record) => records.push(Buffer.from(record)));
  return records;
}

function fragments(record: Buffer, cuts: number[]): Buffer {
  const points = [...new Set([0, ...cuts.map((c) => c % (record.length + 1)), record.length])];
  points.sort((a, b) => a - b);
  const parts = points.slice(1).map((end, i) => record.subarray(points[i], end));
  if (parts.length === 0) parts.push(record);
  return Buffer.concat(
    parts.flatMap((part, i) => {
      const mark = Buffer.alloc(4);
      mark.writeUInt32BE((part.length | (i === parts.length - 1 ? 0x8000_0000 : 0)) >>> 0);
      return [mark, part];
    }),
  );
}

describe('framer', () => {
  test('any fragmentation, in any chunks, yields the records that went in', () => {
    const record = fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes));
    const input = fc.array(fc.tuple(record, fc.array(fc.nat(400), { maxLength: 5 })));
    fc.assert(
      fc.property(input, fc.integer({ min: 1, max: 64 }), (messages, chunkBytes) => {
        const stream = Buffer.concat(messages.map(([body, cuts]) => fragments(body, cuts)));
        const chunks: Buffer[] = [];
        for (let at = 0; at < stream.length; at += chunkBytes) {
          chunks.push(stream.subarray(at, at + chunkBytes));
        }
        const framer = new RecordFramer(1000);
        expect(recordsOf(framer, chunks)).toEqual(messages.map(([body]) => body));
        expect(framer.atBoundary).toBe(true);
      }),
    );
  });

  test('one byte at a time works and knows where a record ends', () => {
    const bytes = encodeRequest(stamp, 'connectOpen', { version: 4 });
    const framer = new RecordFramer(64);
    const records = recordsOf(
      framer,
      [...bytes.subarray(0, -1)].map((b) => Buffer.of(b)),
    );
    expect(records).toEqual([]);
    expect(framer.atBoundary).toBe(false);
    expect(recordsOf(framer, [bytes.subarray(-1)])).toEqual([bytes.subarray(4)]);
  });

  test('a record over the limit is refused on its length word, before its bytes', () => {
    const framer = new RecordFramer(16);
    expect(() => recordsOf(framer, [Buffer.from('80000011', 'hex')])).toThrow(FramingError);
    const sum = new RecordFramer(16);
    const pieces = Buffer.from('0000000a00000000000000000000'.concat('80000007'), 'hex');
    expect(() => recordsOf(sum, [pieces])).toThrow(FramingError);
  });

  test('endless empty fragments are refused', () => {
    const framer = new RecordFramer(16);
    expect(() => recordsOf(framer, [Buffer.alloc(4 * 70_000)])).toThrow(FramingError);
  });
});

describe('xdr', () => {
  test('text keeps every byte sequence', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        const buffer = Buffer.from(bytes);
        expect(bytesFromText(textFromBytes(buffer))).toEqual(buffer);
      }),
    );
    expect(textFromBytes(Buffer.from('grün/Ω', 'utf8'))).toBe('grün/Ω');
  });

  test('lengths and counts that the record cannot hold are refused before allocation', () => {
    const huge = Buffer.from('ffffffff00000000', 'hex');
    expect(() => new XdrReader(huge).opaque()).toThrow(XdrError);
    expect(() => new XdrReader(huge).count(4)).toThrow(XdrError);
    expect(() => new XdrReader(Buffer.alloc(7)).u64()).toThrow(XdrError);
  });

  test('words keep their range', () => {
    const writer = new XdrWriter(1);
    writer.u64(U64_MAX);
    writer.u32(0xffff_fffe);
    writer.i32(-2);
    const reader = new XdrReader(writer.finish());
    expect([reader.u64(), reader.u32(), reader.i32()]).toEqual([U64_MAX, 0xffff_fffe, -2]);
  });
});

describe('envelope', () => {
  test('the greeting of a real server, byte for byte', () => {
    const body = { reason: 0, version: 4, text: 'Hello' };
    const bytes = encodePost({ ...stamp, sequence: 1 }, 'notifyConnectionStatus', body);
    expect(bytes.toString('hex')).toBe(
      '8000002c000000016b026d5e00000000000005020000000000000000' +
        '00000000000000040000000548656c6c6f000000',
    );
  });

  test('a TCP address, byte for byte', () => {
    const endpoints = [{ host: '127.0.0.1', port: 47287, env: [] }];
    const bytes = encodeRequest(stamp, 'dataConnect', { address: { type: 'tcp', endpoints } });
    expect(bytes.subarray(28).toString('hex')).toBe('00000001000000017f0000010000b8b700000000');
  });

  test('an error in the header, a lone error word and a full body mean the same', () => {
    const v4 = messagesOf(4);
    const header = splitRecord(encodeHeaderError(stamp, 0x409, 3, 1).subarray(4));
    expect(decodeReply(v4, 'dataListen', header)).toEqual({ error: 1, body: undefined });
    const full = encodeReply(stamp, 'dataListen', 3, { error: 19, address: { type: 'local' } });
    expect(decodeReply(v4, 'dataListen', splitRecord(full.subarray(4))).error).toBe(19);
    const cut = splitRecord(full.subarray(4, 4 + 28));
    expect(decodeReply(v4, 'dataListen', cut)).toEqual({ error: 19, body: undefined });
  });

  test('a successful reply that is cut off is refused', () => {
    const full = encodeReply(stamp, 'dataListen', 3, { error: 0, address: { type: 'local' } });
    const cut = splitRecord(full.subarray(4, 4 + 28));
    expect(() => decodeReply(messagesOf(4), 'dataListen', cut)).toThrow(XdrError);
  });

  test('halt posts decode with and without the text of v3', () => {
    const row = messagesOf(4).posts.notifyDataHalted;
    const bare = Buffer.from('00000001', 'hex');
    const withText = Buffer.from('000000010000000268690000', 'hex');
    expect(row.post.decode(new XdrReader(bare))).toEqual({ reason: 1, text: '' });
    expect(row.post.decode(new XdrReader(withText))).toEqual({ reason: 1, text: 'hi' });
  });
});

test.each([
  ['ndmp', 'bc7d61077ebc1e1bf84a59827c26dd65'],
  ['a', '8274af73e91ea5258d4272d889e280d9'],
  ['0123456789abcdef0123456789abcde', 'cf4310d7dbc2b8b79f6587a72cf30772'],
  ['0123456789abcdef0123456789abcdefXYZ', '738c0b51a6b85854f2755a8d055f2912'],
  ['pä55', '3c96ee387efaaf37077bf85274d64c0c'],
])('the MD5 answer for password %s', (password, digest) => {
  const challenge = Buffer.from(Array.from({ length: 64 }, (_, i) => i));
  expect(md5Answer(password, challenge).toString('hex')).toBe(digest);
});
