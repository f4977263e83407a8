// Requests that come faster than they can be taken: ahead of the word of their peer, ahead of a reply that is owed, or
// from somebody who does not read what he is told.

import { describe, expect, test } from 'vitest';
import { DATA_STATE, NDMP_ERROR } from './constants.ts';
import { splitRecord } from './envelope.ts';
import { RecordFramer } from './framer.ts';
import { MEMORY_ADDRESS } from './memory-devices.test-data.ts';
import { loggedIn, opened, request, said } from './session-asks.test-data.ts';
import type { SessionHarness } from './session-harness.test-data.ts';

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
