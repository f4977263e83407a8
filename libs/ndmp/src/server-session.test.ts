// Whole sessions over the server in memory: as they are meant, byte by byte, and as a hostile peer has
// them. Whatever comes, one session ends with a reason, and nothing is thrown.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NDMP_ERROR } from './constants.ts';
import { HEADER_BYTES, splitRecord } from './envelope.ts';
import { RecordFramer } from './framer.ts';
import { messagesOf, type NdmpVersion } from './messages.ts';
import {
  backupAndRecover,
  CONVERSATIONS,
  connect,
  IMAGE,
  nonsense,
  RECORD_BYTES,
  recorded,
} from './recorded-sessions.test-data.ts';
import { loggedIn, opened, request, said } from './session-asks.test-data.ts';
import type { SessionHarness } from './session-harness.test-data.ts';
import type { TraceChunk } from './trace.ts';
import { XdrError, XdrReader } from './xdr.ts';

const VERSIONS = [2, 3, 4] as const;
const NAMES = Object.keys(CONVERSATIONS) as (keyof typeof CONVERSATIONS)[];

describe.each(VERSIONS)('a session in v%i', (version) => {
  test('backs up to tape and recovers from it', async () => {
    const stage = connect({ versionMax: version });
    const part = await backupAndRecover(stage, version);
    expect(part).toEqual(IMAGE.subarray(512, 612));
    const { tape } = stage.harness;
    expect(tape.fileBytes(0).toString()).toBe('label');
    const padded = Buffer.alloc(Math.ceil(IMAGE.length / RECORD_BYTES) * RECORD_BYTES);
    IMAGE.copy(padded);
    expect(tape.fileBytes(1)).toEqual(padded);
    const halts = stage.heard.filter(({ name }) => name.endsWith('Halted'));
    expect(halts.map(({ name, body }) => [name, 'reason' in body && body.reason])).toEqual([
      ['notifyMoverHalted', 1],
      ['notifyDataHalted', 1],
      ['notifyDataHalted', 2],
      ['notifyMoverHalted', 4],
    ]);
  });

  test('refuses what makes no sense, and goes on', async () => {
    const errors = await nonsense(connect({ versionMax: version }), version);
    const { illegalState, deviceNotOpen, noDevice, illegalArgs, notAuthorized } = NDMP_ERROR;
    expect(errors).toEqual([
      ...[illegalState, illegalState, deviceNotOpen, noDevice],
      ...[illegalArgs, illegalArgs, notAuthorized, notAuthorized],
    ]);
  });

  test.each(NAMES)('%s, byte by byte, gets the same answers', async (name) => {
    const { stage } = await recorded(name, version);
    const again = opened({ versionMax: version });
    for (const chunk of stage.chunks) {
      if (chunk.from !== 'dma') continue;
      for (const byte of chunk.bytes) {
        again.session.receive(Buffer.of(byte));
        if (again.session.state.owed !== undefined) await again.settle();
      }
      await again.settle();
      await playData(again, chunk, stage.harness, version);
    }
    expect(again.sentBytes.toString('hex')).toBe(stage.harness.sentBytes.toString('hex'));
    expect(again.endReason).toBe(stage.harness.endReason);
  });
});

/** The part of the DATA service, which is not on the wire. */
async function playData(
  again: SessionHarness,
  chunk: TraceChunk,
  original: SessionHarness,
  version: NdmpVersion,
): Promise<void> {
  const { code } = splitRecord(chunk.bytes.subarray(4)).header;
  const { requests } = messagesOf(version);
  if (code === requests.dataStartBackup.code) await again.backUp(IMAGE);
  if (code !== requests.dataStartRecover.code) return;
  again.session.feed({ type: 'dataRead', offset: 512n, length: 100n });
  await again.dataEnd?.readAll(100);
  await again.settle();
  expect(original.endReason).toBeDefined();
}

describe('a hostile peer', () => {
  test('a record longer than the limit ends the session at its length word', () => {
    const harness = opened();
    harness.session.receive(Buffer.from('8001000100', 'hex'));
    expect(harness.endReason).toMatch(/record of 65537 bytes, limit 65536/);
    const later = loggedIn();
    later.session.receive(Buffer.from('80f00000', 'hex'));
    expect(later.endReason).toBeUndefined();
    const tooLong = loggedIn();
    tooLong.session.receive(Buffer.from('8100000100', 'hex'));
    expect(tooLong.endReason).toBe('record of 16777217 bytes, limit 16777216');
    expect(tooLong.isFault).toBe(true);
  });

  test('unknown messages are answered, whatever their number', () => {
    const harness = loggedIn();
    const bytes = request(4, 'dataStop');
    for (const [i, code] of [0x306, 0x20520001, 0xffff_ffff].entries()) {
      bytes.writeUInt32BE(4 + i, 4);
      bytes.writeUInt32BE(code, 16);
      harness.session.receive(Buffer.from(bytes));
    }
    expect(said(harness).slice(-3)).toEqual([
      [0x306, 4, NDMP_ERROR.notSupported],
      [0x20520001, 5, NDMP_ERROR.notSupported],
      [0xffff_ffff, 6, NDMP_ERROR.notSupported],
    ]);
    expect(harness.endReason).toBeUndefined();
  });

  test('a message of another version is unknown', () => {
    const harness = opened({ versionMax: 3 });
    harness.session.receive(request(1, 'connectOpen', { version: 3 }));
    harness.session.receive(request(2, 'configGetExtList'));
    expect(said(harness).at(-1)).toEqual([0x10a, 2, NDMP_ERROR.notSupported]);
  });

  test('messages that do not decode are answered, and a few too many end it', () => {
    const harness = loggedIn();
    const cut = request(1, 'tapeOpen').subarray(0, 4 + HEADER_BYTES + 2);
    for (let i = 0; i < 20; i += 1) {
      const bytes = Buffer.from(cut);
      bytes.writeUInt32BE(0x8000_0000 + bytes.length - 4, 0);
      bytes.writeUInt32BE(4 + i, 4);
      harness.session.receive(bytes);
    }
    const refused = said(harness).filter(([, , error]) => error === NDMP_ERROR.xdrDecode);
    expect(refused).toHaveLength(16);
    expect(harness.endReason).toBe('too many messages that do not decode');
  });

  test('records too short for a header are dropped, and a few too many end it', () => {
    const harness = opened();
    for (let i = 0; i < 15; i += 1)
      harness.session.receive(Buffer.from('800000040000000000', 'hex').subarray(0, 8));
    expect([harness.endReason, harness.sent.length]).toEqual([undefined, 1]);
    harness.session.receive(Buffer.from('80000000', 'hex'));
    expect(harness.endReason).toBe('too many records too short for a header');
  });

  test('replayed messages are refused and do nothing', () => {
    const harness = loggedIn();
    const open = request(4, 'tapeOpen', { device: 'nst0', mode: 1 });
    harness.session.receive(open);
    harness.session.receive(Buffer.from(open));
    return harness.settle().then(() => {
      expect(harness.performed).toEqual(['tapeOpen']);
      expect(said(harness).at(-1)).toEqual([0x300, 4, NDMP_ERROR.sequenceNumber]);
    });
  });

  test('a number behind the last is out of order; gaps and the wrap are not', () => {
    const harness = loggedIn();
    const errors = [9, 8, 0x7fff_ffff, 0xffff_fffe, 3].map((sequence) => {
      harness.session.receive(request(sequence, 'dataGetState'));
      return said(harness).at(-1)?.[2];
    });
    expect(errors).toEqual([0, 24, 0, 0, 0]);
  });

  test('by the letter a gap ends the session', () => {
    const harness = loggedIn({ isStrict: true });
    harness.session.receive(request(5, 'dataGetState'));
    expect(harness.endReason).toBe('a message out of order');
    expect(said(harness).at(-1)?.[2]).toBe(NDMP_ERROR.sequenceNumber);
  });

  test('posts and replies of a DMA are never answered', () => {
    const harness = loggedIn();
    const before = harness.sent.length;
    const post = request(4, 'dataGetState');
    post.writeUInt32BE(0x502, 16);
    harness.session.receive(post);
    const reply = request(5, 'dataGetState');
    reply.writeUInt32BE(1, 12);
    harness.session.receive(reply);
    expect([harness.sent.length, harness.endReason]).toEqual([before, undefined]);
  });

  test('wrong passwords hold the session up and then end it', () => {
    const harness = opened({ authFailuresMax: 3 });
    const wrong = { auth: { type: 'text' as const, user: 'ndmp', password: 'x' } };
    for (let i = 1; i <= 4; i += 1) harness.session.receive(request(i, 'connectClientAuth', wrong));
    return harness.settle().then(() => {
      expect(harness.performed).toEqual(['penalise', 'penalise']);
      expect(harness.endReason).toBe('too many log-ins were refused');
      expect(harness.isFault).toBe(true);
      expect(said(harness)).toHaveLength(4);
    });
  });

  test('a bug behind the machine ends this session with its reason', () => {
    const harness = opened({
      newChallenge: () => {
        throw new Error('no random');
      },
    });
    harness.session.receive(request(1, 'configGetAuthAttr', { authType: 2 }));
    expect(harness.endReason).toBe('internal error: no random');
  });

  test('arbitrary bytes never throw and never go on after the end', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 64 })), (chunks) => {
        const harness = opened();
        for (const chunk of chunks) harness.session.receive(Buffer.from(chunk));
        const { length } = harness.sent;
        if (harness.endReason !== undefined) {
          harness.session.receive(request(1, 'connectOpen'));
          expect(harness.sent).toHaveLength(length);
        }
      }),
      { numRuns: 300 },
    );
  });
});

describe('the end of a connection gives everything back', () => {
  async function busy(): Promise<SessionHarness> {
    const harness = loggedIn();
    const { session } = harness;
    session.receive(request(4, 'tapeOpen', { device: 'nst0', mode: 1 }));
    await harness.settle();
    session.receive(request(5, 'tapeWrite', { data: Buffer.from('data') }));
    await harness.settle();
    session.receive(request(6, 'moverListen', { mode: 0, addressType: 0 }));
    await harness.settle();
    session.receive(request(7, 'dataConnect', { address: { type: 'local' } }));
    await harness.settle();
    expect(session.state).toMatchObject({ data: { state: 4 }, mover: { state: 2 } });
    return harness;
  }

  test.each([
    ['it is lost', (harness: SessionHarness) => harness.session.lose()],
    [
      'it is closed',
      (harness: SessionHarness) => harness.session.receive(request(8, 'connectClose')),
    ],
    [
      'the stream breaks',
      (harness: SessionHarness) => harness.session.receive(Buffer.alloc(5, 255)),
    ],
    ['the server goes down', (harness: SessionHarness) => harness.session.shutDown('maintenance')],
  ])('when %s', async (_title, end) => {
    const harness = await busy();
    const before = harness.performed.length;
    end(harness);
    await harness.settle();
    expect(harness.performed.slice(before)).toEqual(['abortData', 'moverAbort', 'releaseDevice']);
    expect(harness.drive.closed).toBe('flush');
    expect(harness.tape.items.at(-1)).toBe('mark');
    expect(harness.endReason).toBeDefined();
    expect(harness.isFault).toBe(harness.endReason?.startsWith('record of') ?? false);
  });

  test('also of a drive that is only being opened', async () => {
    const harness = loggedIn();
    harness.session.receive(request(4, 'tapeOpen', { device: 'nst0', mode: 1 }));
    harness.session.lose();
    await harness.settle();
    expect(harness.drive.closed).toBe('flush');
  });

  test('a drive whose closing fails is closed without I/O', async () => {
    const harness = loggedIn();
    harness.session.receive(request(4, 'tapeOpen', { device: 'nst0', mode: 1 }));
    await harness.settle();
    harness.drive.fault = { call: 'close', error: NDMP_ERROR.io };
    harness.session.lose();
    await harness.settle();
    expect(harness.drive.closed).toBe('discard');
  });
});

describe('memory', () => {
  const external = (): number => process.memoryUsage().arrayBuffers;

  test('a length word allocates nothing', () => {
    const framers = Array.from({ length: 200 }, () => new RecordFramer(16 * 1024 * 1024));
    const before = external();
    for (const framer of framers) {
      framer.push(Buffer.from('80ff0000', 'hex'), () => {});
      framer.push(Buffer.alloc(100), () => {});
    }
    expect(external() - before).toBeLessThan(4 * 1024 * 1024);
  });

  test('what a body is decoded to grows with its bytes', () => {
    const { request: recover } = messagesOf(4).requests.dataStartRecover;
    /** A body whose environment claims `pairs` pairs, with room for `room` empty ones. */
    const body = (pairs: number, room: number): XdrReader => {
      const bytes = Buffer.alloc(4 + room * 8 + 8);
      bytes.writeUInt32BE(pairs, 0);
      return new XdrReader(bytes);
    };
    expect(recover.decode(body(10_000, 10_000)).env).toHaveLength(10_000);
    expect(() => recover.decode(body(10_002, 10_000))).toThrow(XdrError);
    expect(() => recover.decode(body(0xffff_ffff, 10_000))).toThrow(XdrError);
  });

  test('counts in a body are judged by what is there', () => {
    const before = external();
    for (const version of VERSIONS) {
      for (const row of Object.values(messagesOf(version).requests)) {
        const body = Buffer.alloc(64, 0x7f);
        const bytes = Buffer.concat([request(1, 'dataStop').subarray(0, 28), body]);
        bytes.writeUInt32BE((0x8000_0000 + bytes.length - 4) >>> 0, 0);
        bytes.writeUInt32BE(row.code, 16);
        const harness = opened({ versionMax: version });
        harness.session.receive(bytes);
        expect(harness.endReason ?? '').not.toMatch(/internal/);
      }
    }
    expect(external() - before).toBeLessThan(4 * 1024 * 1024);
  });
});
