// Whole sessions over the server in memory: as they are meant, byte by byte, and as a hostile peer has
// them. Whatever comes, one session ends with a reason, and nothing is thrown.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { md5Answer } from './authentication.ts';
import { DATA_STATE, NDMP_ERROR } from './constants.ts';
import { encodeRequest, HEADER_BYTES, type Stamp, splitRecord } from './envelope.ts';
import { RecordFramer } from './framer.ts';
import { MEMORY_ADDRESS } from './memory-devices.test-data.ts';
import { messagesOf, type NdmpVersion, type RequestBody, type RequestName } from './messages.ts';
import {
  backupAndRecover,
  CONVERSATIONS,
  connect,
  IMAGE,
  nonsense,
  RECORD_BYTES,
  recorded,
} from './recorded-sessions.test-data.ts';
import { SAMPLE_REQUESTS } from './samples.test-data.ts';
import { CHALLENGE } from './server-kit.test-data.ts';
import type { ServerFacts } from './server-state.ts';
import { SessionHarness } from './session-harness.test-data.ts';
import type { TraceChunk } from './trace.ts';
import { XdrError, XdrReader } from './xdr.ts';

const VERSIONS = [2, 3, 4] as const;
const NAMES = Object.keys(CONVERSATIONS) as (keyof typeof CONVERSATIONS)[];

function request<N extends RequestName>(
  sequence: number,
  name: N,
  body: RequestBody<N> = SAMPLE_REQUESTS[name] as RequestBody<N>,
  version: NdmpVersion = 4,
): Buffer {
  const stamp: Stamp = { version, sequence, timeStamp: 1 };
  return encodeRequest(stamp, name, body);
}

/** What a server said: [code, reply to, header error], message by message. */
function said(harness: SessionHarness): number[][] {
  const messages: number[][] = [];
  new RecordFramer(1 << 24).push(harness.sentBytes, (record) => {
    const { code, replySequence, error } = splitRecord(record).header;
    messages.push([code, replySequence, error]);
  });
  return messages;
}

function opened(changes?: Partial<ServerFacts>): SessionHarness {
  const harness = new SessionHarness(changes);
  harness.session.greet();
  return harness;
}

/** A session that is logged in; the last sequence number is 3. */
function loggedIn(changes?: Partial<ServerFacts>): SessionHarness {
  const harness = opened(changes);
  const digest = md5Answer('secret', CHALLENGE);
  harness.session.receive(
    Buffer.concat([
      request(1, 'connectOpen', { version: 4 }),
      request(2, 'configGetAuthAttr', { authType: 2 }),
      request(3, 'connectClientAuth', { auth: { type: 'md5', user: 'ndmp', digest } }),
    ]),
  );
  expect(harness.session.state.phase).toBe('authed');
  return harness;
}

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

  test('requests wait while one is owed, but not without end', async () => {
    const harness = loggedIn();
    const first = request(4, 'tapeOpen', { device: 'nst0', mode: 1 });
    const rest = Array.from({ length: 100 }, (_, i) => request(5 + i, 'tapeGetState'));
    harness.session.receive(Buffer.concat([first, ...rest]));
    expect([harness.session.isFull, harness.session.queuedCount]).toEqual([true, 100]);
    await harness.settle();
    expect([harness.session.isFull, harness.session.queuedCount]).toEqual([false, 0]);
    expect(
      said(harness)
        .slice(-101)
        .map(([, to]) => to),
    ).toEqual(Array.from({ length: 101 }, (_, i) => 4 + i));
    const flood = loggedIn();
    flood.session.receive(first);
    const one = request(9, 'tapeGetState');
    for (let i = 0; i < 5000 && flood.endReason === undefined; i += 1) {
      flood.session.receive(Buffer.from(one));
    }
    expect(flood.endReason).toBe('more requests than can wait');
  });

  test('long requests that are sent ahead make the session full, and none is lost', async () => {
    const harness = loggedIn();
    const count = 60;
    const asks = [
      request(4, 'tapeOpen', { device: 'nst0', mode: 1 }),
      ...Array.from({ length: count }, (_, i) =>
        request(5 + i, 'tapeWrite', { data: Buffer.alloc(1 << 20, i) }),
      ),
    ];
    const bytes = Buffer.concat(asks);
    for (let at = 0; at < bytes.length; at += 65_536) {
      if (harness.session.isFull) await harness.settle();
      expect([harness.session.isFull, harness.endReason]).toEqual([false, undefined]);
      harness.session.receive(Buffer.from(bytes.subarray(at, at + 65_536)));
    }
    await harness.settle();
    expect(harness.tape.items.length).toBe(count);
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

describe('a start that is here before its peer', () => {
  const start = request(5, 'dataStartBackup', { butype: 'tar', env: [] });
  const state = request(6, 'dataGetState');
  const error = (harness: SessionHarness, to: number): number | undefined => {
    const found: number[] = [];
    new RecordFramer(1 << 24).push(harness.sentBytes, (record) => {
      const { header, body } = splitRecord(record);
      if (header.replySequence === to) found.push(body.readUInt32BE(0));
    });
    expect(found.length).toBeLessThan(2);
    return found[0];
  };

  async function listening(addressType: number): Promise<SessionHarness> {
    const harness = loggedIn();
    harness.isPatient = true;
    harness.session.receive(request(4, 'dataListen', { addressType }));
    await harness.settle();
    harness.session.receive(Buffer.concat([start, state]));
    await harness.settle();
    return harness;
  }

  test.each([1, 0x2051_0004])(
    'waits for it, and so does all that follows (type %i)',
    async (type) => {
      const harness = await listening(type);
      expect([error(harness, 5), error(harness, 6), harness.session.queuedCount]).toEqual([
        ...[undefined, undefined],
        2,
      ]);
      const address = MEMORY_ADDRESS;
      harness.session.feed({ type: 'peerConnected', address });
      await harness.settle();
      expect(harness.session.state.data.state).toBe(DATA_STATE.active);
      expect([error(harness, 5), harness.session.queuedCount]).toEqual([0, 0]);
      harness.session.startAnyway(5);
      expect(harness.performed.filter((deed) => deed === 'awaitPeer')).toHaveLength(1);
    },
  );

  test('is refused once nobody waits any more', async () => {
    const harness = await listening(1);
    harness.session.startAnyway(99);
    expect(harness.session.queuedCount).toBe(2);
    harness.session.startAnyway(5);
    expect(error(harness, 5)).toBe(NDMP_ERROR.illegalState);
    expect(harness.session.queuedCount).toBe(0);
  });

  test('does not wait where no peer comes by itself', async () => {
    const harness = await listening(0);
    expect(error(harness, 5)).toBe(NDMP_ERROR.illegalState);
    expect(harness.performed).not.toContain('awaitPeer');
  });

  test('ends with its session', async () => {
    const harness = await listening(1);
    harness.session.lose();
    harness.session.startAnyway(5);
    expect(error(harness, 5)).toBeUndefined();
  });
});

test('a peer that takes no replies gets no more of them, and all in order once it does', async () => {
  const harness = opened();
  const asks = Array.from({ length: 200 }, (_, i) =>
    request(i + 1, 'configGetAuthAttr', { authType: 2 }),
  );
  harness.session.receive(asks[0] as Buffer);
  expect(harness.sent).toHaveLength(2);
  harness.canReply = false;
  harness.session.receive(Buffer.concat(asks.slice(1)));
  await harness.settle();
  expect([harness.sent.length, harness.session.isFull]).toEqual([2, true]);
  harness.session.resume(); // the end of a penalty changes nothing about that
  expect(harness.sent).toHaveLength(2);
  harness.canReply = true;
  harness.session.resumeReplies();
  const answered = said(harness).slice(1);
  expect(answered.map(([, to]) => to)).toEqual(asks.map((_, i) => i + 1));
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
