// Every message of the catalogue in every version that has it: what is encoded comes back, byte
// layouts are those of the specification, and nothing in a body costs more than it weighs.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Codec } from './codec.ts';
import { MOVER_HALT, MOVER_PAUSE, NDMP_ERROR, U32_MAX, U64_MAX } from './constants.ts';
import { entropyReader, ListEntropy } from './entropy-reader.test-data.ts';
import { decodeReply, encodeHeaderError, encodeReply, splitRecord } from './envelope.ts';
import { errorClass, errorFor } from './error-mapping.ts';
import { HistoryBatch, type HistoryKind, historyCode, readHistory } from './file-history.ts';
import { classOfMessage, TEST_CLASS } from './message-class.ts';
import { messagesOf, type NdmpVersion, type PostRow, type RequestRow } from './messages.ts';
import { SAMPLE_POSTS, SAMPLE_REPLIES, SAMPLE_REQUESTS } from './samples.test-data.ts';
import { XdrError, XdrReader, XdrWriter } from './xdr.ts';

const VERSIONS = [2, 3, 4] as const;

interface Body {
  name: string;
  codec: Codec<unknown>;
  sample: unknown;
}

function bodiesOf(version: NdmpVersion): Body[] {
  const table = messagesOf(version);
  const requests = (Object.values(table.requests) as RequestRow[])
    .filter(({ isSpoken }) => isSpoken)
    .flatMap(({ name, request, reply }) => [
      { name: `${name} request`, codec: request as Codec<unknown>, sample: SAMPLE_REQUESTS[name] },
      { name: `${name} reply`, codec: reply as Codec<unknown>, sample: SAMPLE_REPLIES[name] },
    ]);
  const posts = (Object.values(table.posts) as PostRow[])
    .filter(({ isSpoken }) => isSpoken)
    .map(({ name, post }) => ({
      name,
      codec: post as Codec<unknown>,
      sample: SAMPLE_POSTS[name],
    }));
  return [...requests, ...posts];
}

function bytesOf(codec: Codec<unknown>, value: unknown): Buffer {
  const writer = new XdrWriter(8);
  codec.encode(writer, value);
  return writer.finish();
}

function decoded(codec: Codec<unknown>, bytes: Buffer): unknown {
  const reader = new XdrReader(bytes);
  const value = codec.decode(reader);
  expect(reader.remaining).toBe(0);
  return value;
}

describe.each(VERSIONS)('messages of v%i', (version) => {
  const bodies = bodiesOf(version);

  test.each(bodies)('$name: any value comes back', ({ name, codec }) => {
    // v4 reads the text of a halt, and never writes one.
    const isSilent = version === 4 && /notify(Data|Mover)Halted/.test(name);
    const words = fc.array(fc.nat(2 ** 31 - 1), { maxLength: 120 });
    fc.assert(
      fc.property(words, (list) => {
        const value = codec.decode(entropyReader(new ListEntropy(list)));
        const bytes = bytesOf(codec, value);
        expect(decoded(codec, bytes)).toEqual(
          isSilent ? { ...(value as object), text: '' } : value,
        );
        expect(bytes.length % 4).toBe(0);
        expect(bytes.length).toBeGreaterThanOrEqual(codec.bytesMin);
      }),
      { numRuns: 60 },
    );
  });

  test('bodies of arbitrary bytes decode or are refused, nothing else', () => {
    const body = fc.constantFrom(...bodies);
    fc.assert(
      fc.property(body, fc.uint8Array({ maxLength: 96 }), ({ codec }, bytes) => {
        try {
          codec.decode(new XdrReader(Buffer.from(bytes)));
        } catch (error) {
          expect(error).toBeInstanceOf(XdrError);
        }
      }),
      { numRuns: 500 },
    );
  });

  test('every cut of a body decodes or is refused', () => {
    for (const { codec, sample } of bodies) {
      const bytes = bytesOf(codec, sample);
      for (let end = 0; end < bytes.length; end += 1) {
        try {
          codec.decode(new XdrReader(bytes.subarray(0, end)));
        } catch (error) {
          expect(error).toBeInstanceOf(XdrError);
        }
      }
    }
  });

  test('numbers are unique, and posts are kept apart from requests', () => {
    const table = messagesOf(version);
    const rows = [...Object.values(table.requests), ...Object.values(table.posts)];
    const spoken = rows.filter(({ isSpoken }) => isSpoken);
    expect(new Set(spoken.map(({ code }) => code)).size).toBe(spoken.length);
    for (const row of rows) {
      expect([row.name, table.byCode(row.code) === row]).toEqual([row.name, row.isSpoken]);
    }
  });
});

test.each(bodiesOf(4))('$name of v4 keeps every field', ({ codec, sample }) => {
  expect(decoded(codec, bytesOf(codec, sample))).toEqual(sample);
});

test('the catalogue of each version is complete', () => {
  const named = (version: NdmpVersion): string[] =>
    Object.values(messagesOf(version).requests)
      .filter(({ isSpoken }) => isSpoken)
      .map(({ code }) => code.toString(16));
  const onlyV4 = ['109', '10a', '7ff00000'];
  const sinceV3 = ['104', '105', '106', '107', '108', '409', '40a', 'a09'];
  expect(named(2)).toHaveLength(named(4).length - onlyV4.length - sinceV3.length + 3);
  expect(named(2)).toEqual(expect.arrayContaining(['101', '203', '205', '40b']));
  expect(named(3)).toEqual(expect.arrayContaining([...sinceV3, '203', '205']));
  expect(named(4)).toEqual(expect.arrayContaining([...sinceV3, ...onlyV4]));
  expect(named(4)).toHaveLength(46);
});

/** Bodies as the specifications lay them out, word by word. */
const EXACT: [NdmpVersion, string, unknown, string][] = [
  [
    4,
    'configGetExtList reply',
    { error: 0, classes: [{ classId: 0x7ff0, versions: [1, 2] }] },
    '00000000 00000001 00007ff0 00000002 00000001 00000002',
  ],
  [
    4,
    'configSetExtList request',
    { selected: [{ classId: 0x2052, version: 1 }] },
    '00000001 00002052 00000001',
  ],
  [4, 'testEcho request', { message: 'hey', short: 9 }, '00000003 68657900 00000009'],
  [
    2,
    'configGetHostInfo reply',
    { error: 0, hostname: 'h', osType: 'o', osVersion: '1', hostId: '', authTypes: [2] },
    '00000000 00000001 68000000 00000001 6f000000 00000001 31000000 00000000 00000001 00000002',
  ],
  [
    3,
    'configGetHostInfo reply',
    { error: 0, hostname: 'h', osType: 'o', osVersion: '1', hostId: '' },
    '00000000 00000001 68000000 00000001 6f000000 00000001 31000000 00000000',
  ],
  [2, 'configGetButypeAttr reply', { error: 0, attrs: 0x20 }, '00000000 00000020'],
  [
    3,
    'configGetButypeInfo reply',
    { error: 0, butypes: [{ name: 'tar', defaultEnv: [], attrs: 0x0602 | 0x0800 }] },
    '00000000 00000001 00000003 74617200 00000000 00000203',
  ],
  [
    3,
    'scsiSetTarget request',
    { device: 'mc0', controller: 0, id: 3, lun: 1 },
    '00000003 6d633000 00000000 00000003 00000001',
  ],
  [
    2,
    'tapeGetState reply',
    { ...SAMPLE_REPLIES.tapeGetState, unsupported: 0 },
    '00000006 00000008 00000001 00000000 00000000 ffffffff ffffffffffffffff 0000000000000001',
  ],
  [
    3,
    'tapeGetState reply',
    SAMPLE_REPLIES.tapeGetState,
    '0000007f 00000006 00000008 00000001 00000000 00000000 ffffffff ffffffffffffffff ' +
      '0000000000000001 ffffffff',
  ],
  [
    4,
    'tapeGetState reply',
    SAMPLE_REPLIES.tapeGetState,
    '0000003f 00000006 00000008 00000001 00000000 00000000 ffffffff ffffffffffffffff ' +
      '0000000000000001',
  ],
  [
    4,
    'dataConnect request',
    { address: tcp(4) },
    '00000001 00000002 0a000001 00000fa0 00000000 7f000001 00000050 00000000',
  ],
  [3, 'dataConnect request', { address: tcp(3) }, '00000001 0a000001 00000fa0'],
  [3, 'dataConnect request', { address: { type: 'fc', loopId: 5 } }, '00000002 00000005'],
  [
    3,
    'dataConnect request',
    { address: { type: 'ipc', data: Buffer.from('x') } },
    '00000003 00000001 78000000',
  ],
  [
    2,
    'dataStartBackup request',
    { mover: tcp(3), butype: 'dump', env: [] },
    '00000001 0a000001 00000fa0 00000004 64756d70 00000000',
  ],
  [
    2,
    'dataStartRecover request',
    {
      mover: { type: 'local' },
      env: [],
      butype: 'dump',
      names: [
        {
          originalPath: 'a',
          destinationPath: 'b',
          name: '',
          otherName: '',
          node: U64_MAX,
          fhInfo: 7n,
        },
      ],
    },
    '00000000 00000000 00000001 00000001 61000000 00000001 62000000 00000000 ' +
      '0000000000000007 00000004 64756d70',
  ],
  [
    2,
    'dataGetState reply',
    { ...SAMPLE_REPLIES.dataGetState, unsupported: 0, address: { type: 'local' } },
    '00000000 00000001 00000001 00000000 0010000000000001 ffffffffffffffff ffffffff 00000000 ' +
      '0000000000000000 ffffffffffffffff',
  ],
  [
    2,
    'moverGetState reply',
    {
      ...SAMPLE_REPLIES.moverGetState,
      mode: 2,
      pauseReason: MOVER_PAUSE.eof,
      address: { type: 'local' },
    },
    '00000000 00000003 00000002 00000000 00010000 00000009 0000000000000001 0000000000000000 ' +
      '0000000000000000 0000000000000000 ffffffffffffffff',
  ],
  [
    3,
    'moverGetState reply',
    { ...SAMPLE_REPLIES.moverGetState, mode: 2, address: { type: 'local' } },
    '00000000 00000003 00000005 00000000 00010000 00000009 0000000000000001 0000000000000000 ' +
      '0000000000000000 0000000000000000 ffffffffffffffff 00000000',
  ],
  [
    4,
    'moverGetState reply',
    { ...SAMPLE_REPLIES.moverGetState, address: { type: 'local' } },
    '00000000 00000000 00000003 00000005 00000000 00010000 00000009 0000000000000001 ' +
      '0000000000000000 0000000000000000 0000000000000000 ffffffffffffffff 00000000',
  ],
  [4, 'notifyDataHalted', { reason: 1, text: '' }, '00000001'],
  [3, 'notifyDataHalted', { reason: 1, text: 'ok' }, '00000001 00000002 6f6b0000'],
  [
    2,
    'logMessage',
    { logType: 0, messageId: 0, entry: 'hi', hasAssociatedMessage: 0, associatedSequence: 0 },
    '00000002 68690000',
  ],
  [
    3,
    'logMessage',
    { logType: 2, messageId: 9, entry: 'hi', hasAssociatedMessage: 0, associatedSequence: 0 },
    '00000002 00000009 00000002 68690000',
  ],
  [2, 'logDebug', { level: 4, text: 'x' }, '00000004 00000001 78000000'],
  [2, 'logFile', { name: 'f', status: 2 }, '00000001 66000000 00000000 0000000e'],
  [3, 'logFile', { name: 'f', status: 2 }, '00000001 66000000 0000000e'],
  [4, 'logFile', { name: 'f', status: 2 }, '00000001 66000000 00000002'],
  [
    2,
    'fhAddDir',
    [{ name: Buffer.from('d'), node: 5n, parent: U64_MAX }],
    '00000001 00000001 64000000 00000005 ffffffff',
  ],
  [
    4,
    'fhAddDir',
    [{ name: Buffer.from('d'), node: 5n, parent: 2n }],
    '00000001 00000001 00000000 00000001 64000000 0000000000000005 0000000000000002',
  ],
];

function tcp(version: NdmpVersion) {
  const first = { host: '10.0.0.1', port: 4000, env: [] };
  const second = { host: '127.0.0.1', port: 80, env: [] };
  return { type: 'tcp', endpoints: version === 4 ? [first, second] : [first] };
}

test.each(EXACT)('v%i %s, byte for byte', (version, name, value, words) => {
  const body = bodiesOf(version).find((each) => each.name === name);
  if (body === undefined) throw new Error(`v${version} has no ${name}`);
  const bytes = bytesOf(body.codec, value);
  expect(bytes.toString('hex')).toBe(words.replaceAll(' ', ''));
  expect(decoded(body.codec, bytes)).toEqual(value);
});

describe('errors', () => {
  test.each([
    [NDMP_ERROR.connect, 20, 23],
    [NDMP_ERROR.sequenceNumber, 20, 20],
    [NDMP_ERROR.readInProgress, 19, 19],
    [NDMP_ERROR.precondition, 19, 19],
    [NDMP_ERROR.classNotSupported, 1, 1],
    [NDMP_ERROR.versionNotSupported, 1, 1],
    [NDMP_ERROR.extensionDuplicateClasses, 1, 1],
    [NDMP_ERROR.extensionNegotiationIllegal, 1, 1],
    [0x2050_0003, 20, 20],
  ])('%i is %i to v2 and %i to v3', (error, v2, v3) => {
    expect([errorFor(2, error), errorFor(3, error), errorFor(4, error)]).toEqual([v2, v3, error]);
  });

  test('the old codes are the same in every version', () => {
    for (let error = 0; error <= NDMP_ERROR.noMemory; error += 1) {
      expect(VERSIONS.map((version) => errorFor(version, error))).toEqual([error, error, error]);
    }
  });

  test('replies of either form carry the mapped code', () => {
    const stamp = { version: 3 as const, sequence: 1, timeStamp: 0 };
    const body = splitRecord(encodeReply(stamp, 'moverRead', 4, { error: 25 }).subarray(4));
    expect(decodeReply(messagesOf(3), 'moverRead', body).error).toBe(NDMP_ERROR.illegalState);
    const header = splitRecord(encodeHeaderError(stamp, 0xa06, 4, 24).subarray(4));
    expect(header.header.error).toBe(NDMP_ERROR.undefined);
  });

  test('an extension error names its class', () => {
    expect(errorClass(0x2050_0003)).toEqual({ classId: 0x2050, code: 3 });
  });

  test('the error word of a state reply that is cut off is found in every version', () => {
    const error = NDMP_ERROR.deviceNotOpen;
    const cut = (version: NdmpVersion): unknown => {
      const stamp = { version, sequence: 1, timeStamp: 0 };
      const full = encodeReply(stamp, 'tapeGetState', 2, { ...SAMPLE_REPLIES.tapeGetState, error });
      const message = splitRecord(full.subarray(4, 4 + 24 + 8));
      return decodeReply(messagesOf(version), 'tapeGetState', message).error;
    };
    expect(VERSIONS.map(cut)).toEqual([error, error, error]);
  });
});

test('old mover reasons take the place of those that a version lacks', () => {
  const paused = { reason: MOVER_PAUSE.eow, seekPosition: 0n };
  const halted = { reason: MOVER_HALT.mediaError, text: '' };
  const told = VERSIONS.map((version) => {
    const { notifyMoverPaused, notifyMoverHalted } = messagesOf(version).posts;
    return [
      bytesOf(notifyMoverPaused.post as Codec<unknown>, paused).readUInt32BE(0),
      bytesOf(notifyMoverHalted.post as Codec<unknown>, halted).readUInt32BE(0),
    ];
  });
  expect(told).toEqual([
    [MOVER_PAUSE.eof, MOVER_HALT.internalError],
    [MOVER_PAUSE.eow, MOVER_HALT.internalError],
    [MOVER_PAUSE.eow, MOVER_HALT.mediaError],
  ]);
});

test.each([
  [4, 0x900, { origin: 'core', classId: 0, code: 0x900 }],
  [4, 0x2052_0001, { origin: 'proprietary', classId: 0x2052, code: 1, owner: 'NetApp' }],
  [4, 0x2054_0001, { origin: 'proprietary', classId: 0x2054, code: 1 }],
  [4, 0x20b0_0000, { origin: 'proprietary', classId: 0x20b0, code: 0, owner: 'Veritas' }],
  [4, 0x0001_0000, { origin: 'standard', classId: 1, code: 0 }],
  [4, 0x0008_0000, { origin: 'reserved', classId: 8, code: 0 }],
  [4, 0x7ff0_0000, { origin: 'test', classId: TEST_CLASS, code: 0 }],
  [4, 0xffff_0000, { origin: 'reserved', classId: 0xffff, code: 0 }],
  [3, 0xf123, { origin: 'vendor', classId: 0, code: 0xf123 }],
  [2, 0xff01, { origin: 'prototype', classId: 0, code: 0xff01 }],
  [3, 0x7ff0_0000, { origin: 'reserved', classId: 0, code: 0x7ff0_0000 }],
] as const)('the number in v%i of %i tells its origin', (version, code, expected) => {
  expect(classOfMessage(version, code)).toEqual(expected);
});

test.each([2, 4] as const)('a batch of history in v%i is read again', (version) => {
  const stat = { ...(SAMPLE_POSTS.fhAddFile[0]?.stat as never as object), links: 1 } as never;
  const file = { name: Buffer.from('/f'), stat, node: 9n, fhInfo: 512n };
  const dir = { name: Buffer.from('f'), node: 9n, parent: 2n };
  const node = { stat, node: 9n, fhInfo: 512n };
  const seen: unknown[] = [];
  const take = (entry: unknown): void => void seen.push(entry);
  for (const kind of ['file', 'dir', 'node'] satisfies HistoryKind[]) {
    const batch = new HistoryBatch(kind, version);
    if (kind === 'file') batch.addFile(file);
    if (kind === 'dir') batch.addDir(dir);
    if (kind === 'node') batch.addNode(node);
    readHistory({ kind, version, body: batch.take() }, { file: take, dir: take, node: take });
  }
  const unknown = version === 2 ? { node: U64_MAX } : {};
  expect(seen).toEqual([{ ...file, ...unknown }, dir, node]);
  expect(historyCode('dir', version)).toBe(version === 2 ? 0x701 : 0x704);
  expect(U32_MAX).toBe(0xffff_ffff);
});
