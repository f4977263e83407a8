import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ALONE } from './alone.ts';
import {
  isOver,
  NEW_STREAM,
  type Stream,
  type StreamEffect,
  type StreamEvent,
  step,
} from './stream.ts';

const fragment = (number: number) => ({
  ...ALONE,
  ...{ copy: 1, number, mediaId: 'A00001', mediaServer: 'media1', density: 'hcart' },
  ...{ fileNumber: number, blockNumber: 2n, blockSizeBytes: 262_144, dataBlocks: 1n },
  ...{ streamBeginBytes: 0n, streamEndBytes: 10n, digest: new Uint8Array(32) },
  ...{ mediaAssignedMs: 1n, driveIndex: 0, keyTag: new Uint8Array(0), writtenMs: 5n },
  layout: 'FRAGMENT_LAYOUT_BLOCKS' as const,
});
const append = {
  ...{ fileNumber: 2, blockNumber: 9n, trailerDigest: new Uint8Array(0), fragment: 'b 1' },
};

const mounted: StreamEvent = { type: 'mounted', drivePath: 'vtl:/x#0', mountMs: 1200 };
const report = (of: Parameters<typeof drive>[0]): StreamEvent => drive(of);
function drive(reported: (StreamEvent & { type: 'drive' })['report']): StreamEvent {
  return { type: 'drive', report: reported, hosts: ['10.0.0.9'] };
}
const closed = report({ type: 'fragmentClosed', fragment: fragment(1), append });
const finished = report({ type: 'finished', bytes: 10n });
const exited: StreamEvent = { type: 'driveExited', how: 'signal SIGKILL' };
const aborted: StreamEvent = {
  type: 'abortAsked',
  failure: { status: 'cancelled', detail: 'ended by the operator' },
};

function run(events: readonly StreamEvent[]): { stream: Stream; effects: StreamEffect[] } {
  let stream: Stream = { ...NEW_STREAM, mode: 'write', medium: 'tape' };
  const effects: StreamEffect[] = [];
  for (const event of events) {
    const next = step(stream, event);
    stream = next.stream;
    effects.push(...next.effects);
  }
  return { stream, effects };
}

const did = (effects: readonly StreamEffect[], what: StreamEffect['do']): number =>
  effects.filter((effect) => effect.do === what).length;

const goodRun: StreamEvent[] = [
  { type: 'opened' },
  mounted,
  report({ type: 'positioned', labelled: true, fileNumber: 1 }),
  report({ type: 'listening', port: 4000 }),
  report({ type: 'connected', peer: '10.0.0.5', by: 'filer' }),
  report({ type: 'endOfStream', bytes: 10n }),
  { type: 'finishAsked', expectedBytes: 10n },
  closed,
  finished,
  exited,
  { type: 'recorded', fragmentNumber: 1 },
];

test('a backup is done when its fragment is recorded and its drive given back', () => {
  const before = run(goodRun.slice(0, -1));
  expect(before.stream.phase).toBe('STREAM_PHASE_CLOSING');
  const { stream, effects } = run(goodRun);
  expect(stream.phase).toBe('STREAM_PHASE_DONE');
  expect(stream.addresses).toEqual([{ host: '10.0.0.9', port: 4000 }]);
  expect(did(effects, 'unmount')).toBe(1);
  expect(did(effects, 'record')).toBe(1);
});

test('recorded before the drive process went is as good', () => {
  const order = [...goodRun];
  order.splice(9, 2, goodRun[10]!, goodRun[9]!);
  expect(run(order).stream.phase).toBe('STREAM_PHASE_DONE');
});

test('a drive process that dies ends its stream with 82', () => {
  const { stream, effects } = run([...goodRun.slice(0, 5), exited]);
  expect(stream.failure?.status).toBe('tapeMgrKilled');
  expect(did(effects, 'unmount')).toBe(1);
});

test('an abort while the robot moves gives the volume back once it is there', () => {
  const early = run([{ type: 'opened' }, aborted]);
  expect(did(early.effects, 'unmount')).toBe(0);
  const late = run([{ type: 'opened' }, aborted, mounted]);
  expect(did(late.effects, 'unmount')).toBe(1);
  expect(did(late.effects, 'startDrive')).toBe(0);
});

test('a fragment that was closed is recorded even when the stream failed', () => {
  const { stream, effects } = run([...goodRun.slice(0, 5), aborted, closed]);
  expect(stream.phase).toBe('STREAM_PHASE_FAILED');
  expect(did(effects, 'record')).toBe(1);
});

test('a repeated range is sent once', () => {
  let stream: Stream = { ...NEW_STREAM, mode: 'read', medium: 'tape', holds: 'process' };
  const range = { type: 'rangeAsked', sequence: 1, offset: 0n, length: 5n } as const;
  const first = step(stream, range);
  stream = first.stream;
  expect(first.effects).toHaveLength(1);
  expect(step(stream, range).effects).toHaveLength(0);
});

const addresses = [{ host: '10.0.0.5', port: 6000 }];
const dialAsked = (sequence: number): StreamEvent => ({ type: 'dialAsked', sequence, addresses });
const dialled = report({ type: 'connected', peer: '10.0.0.5 port 6000', by: 'us' });
const dialFailed = report({
  ...{ type: 'dialFailed', sequence: 1 },
  failure: { status: 'cannotConnectToClient', detail: 'refuses' },
});

test('a stream that listens dials where it is told, and says which way the connection came', () => {
  const early = run([...goodRun.slice(0, 3), dialAsked(1)]);
  expect(did(early.effects, 'dial')).toBe(0);
  const { stream, effects } = run([...goodRun.slice(0, 4), dialAsked(1), dialAsked(1), dialled]);
  expect(effects).toContainEqual({ do: 'dial', sequence: 1, addresses });
  expect(did(effects, 'dial')).toBe(1);
  expect(stream).toMatchObject({ phase: 'STREAM_PHASE_MOVING', dial: { outcome: 'connected' } });
  expect(effects.at(-1)).toMatchObject({ text: expect.stringMatching(/^connected to the filer/) });
  expect(run([...goodRun.slice(0, 5), dialAsked(1)]).stream.dial).toBeNull();
});

test('a dial that fails leaves a stream that listens, for another try or for the filer', () => {
  const failed = run([...goodRun.slice(0, 4), dialAsked(1), dialFailed]);
  expect(failed.stream).toMatchObject({ phase: 'STREAM_PHASE_READY', failure: null });
  const again = run([...goodRun.slice(0, 4), dialAsked(1), dialFailed, dialAsked(2), dialled]);
  expect(again.stream.phase).toBe('STREAM_PHASE_MOVING');
  expect(did(again.effects, 'dial')).toBe(2);
});

const needed = (refused?: 'cannotOverwriteMedia'): StreamEvent =>
  report({
    ...{ type: 'volumeNeeded', mediaId: '' },
    refused: refused === undefined ? null : { status: refused, detail: 'foreign' },
  });
const given = (number: number): StreamEvent => ({
  ...{ type: 'volumeGiven', number },
  volume: {
    ...{ mediaId: `A0000${number + 1}`, barcode: '', density: 'hcart', robotNumber: 0, slot: 1 },
    ...{ pool: 'P', assignedMs: 1n, retentionLevel: 0, append: null },
  },
});
const denied: StreamEvent = {
  type: 'volumeDenied',
  failure: { status: 'noMediaAvailable', detail: 'none' },
};
const mountFailed: StreamEvent = {
  type: 'mountFailed',
  failure: { status: 'notMountable', detail: 'stuck' },
};
const recorded: StreamEvent = { type: 'recorded', fragmentNumber: 1 };
const positioned = goodRun[2]!;
/** Data moves, and the first volume is full. */
const full = [...goodRun.slice(0, 5), closed, needed()];

test('an image goes on upon another volume once its fragment is recorded', () => {
  const waits = run(full);
  expect(did(waits.effects, 'askVolume')).toBe(0);
  const asks = run([...full, recorded]);
  const question = { do: 'askVolume', number: 1, mediaId: '', avoid: [] };
  expect(asks.effects.at(-1)).toEqual(question);
  expect(run([...full, recorded, recorded]).effects).toEqual(asks.effects);
  const mounts = run([...full, recorded, given(1), given(1)]);
  expect(mounts.effects.slice(asks.effects.length)).toMatchObject([
    { do: 'tell', text: 'continuing on volume A00002' },
    { do: 'mount' },
  ]);
  const there = run([...full, recorded, given(1), mounted, positioned]);
  expect(there.stream).toMatchObject({ exchange: null, volume: 'A00002', volumeNumber: 1 });
  expect(did(there.effects, 'giveVolume')).toBe(1);
  expect(did(there.effects, 'startDrive')).toBe(1);
  expect(there.stream.phase).toBe('STREAM_PHASE_MOVING');
});

test('a volume that may not be written, or cannot be mounted, is passed over: three times, no more', () => {
  const first = run([...full, recorded, given(1), mounted, needed('cannotOverwriteMedia')]);
  expect(first.effects.at(-1)).toEqual({
    ...{ do: 'askVolume', number: 2, mediaId: '', avoid: ['A00002'] },
  });
  const tried = [given(1), mountFailed, given(2), mountFailed, given(3), mountFailed];
  const three = run([...full, recorded, ...tried]);
  expect(isOver(three.stream)).toBe(false);
  const four = run([...full, recorded, ...tried, given(4), mountFailed]);
  expect(four.stream.failure).toEqual({ status: 'notMountable', detail: 'stuck' });
});

test('without a volume it ends as it was denied, and the drive is given back', () => {
  const { stream, effects } = run([...full, recorded, denied, exited]);
  expect(stream.failure?.status).toBe('noMediaAvailable');
  expect(did(effects, 'unmount')).toBe(1);
});

test('an end while the robot brings the next volume is given back when that is there', () => {
  const before = run([...full, recorded, given(1), aborted, exited]);
  expect(did(before.effects, 'unmount')).toBe(0);
  for (const answer of [mounted, mountFailed]) {
    const after = run([...full, recorded, given(1), aborted, exited, answer]);
    expect(did(after.effects, 'unmount')).toBe(1);
    expect(did(after.effects, 'giveVolume')).toBe(0);
  }
  const early = run([...full, recorded, given(1), aborted, mounted, exited]);
  expect(did(early.effects, 'unmount')).toBe(1);
});

test('whatever comes in whatever order: one end, and what was mounted is given back exactly once', () => {
  const failedReport = report({
    type: 'failed',
    failure: { status: 'mediaWriteError', detail: 'x' },
    bytes: 3n,
  });
  const refused: StreamEvent = {
    type: 'recordRefused',
    failure: { status: 'staleGrant', detail: 'over' },
  };
  const lost: StreamEvent = { type: 'leaseLost', reason: 'no renewal' };
  const dials = [dialAsked(1), dialAsked(2), dialled, dialFailed];
  const exchange = [needed(), needed('cannotOverwriteMedia'), given(1), given(2), denied, mounted];
  const others = [...exchange, mountFailed, closed, aborted, failedReport, refused, lost];
  const events = [...goodRun.slice(2), ...dials, ...others];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...events), { maxLength: 30 }), (middle) => {
      const noExit = middle.filter((event) => event.type !== 'driveExited');
      const end = [exited, exited, mounted, mountFailed];
      const { stream, effects } = run([{ type: 'opened' }, mounted, ...noExit, ...end]);
      expect(did(effects, 'unmount')).toBe(1);
      expect(did(effects, 'record')).toBeLessThanOrEqual(1);
      expect(stream.holds).toBe('returned');
      const waitsOnlyForRecord = stream.finished && stream.unrecorded.length > 0;
      expect(isOver(stream) || waitsOnlyForRecord).toBe(true);
      if (stream.phase === 'STREAM_PHASE_DONE') expect(stream.finished).toBe(true);
    }),
  );
});

test('what the drive says of itself is kept for its return, also when the stream failed before', () => {
  const failed = report({
    ...{ type: 'failed', bytes: 0n },
    failure: { status: 'mediaWriteError', detail: 'no' },
  });
  const alerts = report({ type: 'tapeAlerts', flags: [6] });
  const more = report({ type: 'tapeAlerts', flags: [3, 6] });
  const { stream, effects } = run([{ type: 'opened' }, mounted, failed, alerts, more, exited]);
  expect(stream.tapeAlerts).toEqual([3, 6]);
  expect(stream.failure?.status).toBe('mediaWriteError');
  expect(effects.at(-1)).toEqual({ do: 'unmount' });
});

test('flags that a drive raised over one volume are not told of the next', () => {
  const alerts = report({ type: 'tapeAlerts', flags: [5] });
  const asked = run([...full, alerts, recorded, given(1)]);
  expect(asked.stream.tapeAlerts).toEqual([5]);
  expect(run([...full, alerts, recorded, given(1), mounted]).stream.tapeAlerts).toEqual([]);
});
