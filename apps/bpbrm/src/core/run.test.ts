import {
  codec,
  type Init,
  type SessionState,
  type Status,
  type StreamState,
} from '@tapestry/contracts';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { fold, restoreStatus } from './fold.ts';
import { newRun, operationOf, type Run, type RunEffect, type RunEvent, step } from './run.ts';

const limits = {
  ...{ startTimeoutMs: 1000, silentTimeoutMs: 1000, endTimeoutMs: 1000, abortTimeoutMs: 500 },
  labelTimeoutMs: 5000,
};
const status = (name: string, code: number, detail = name): Status => ({
  ...{ code, name, detail, context: {} },
});

const stream = (init: Init<StreamState>): RunEvent => ({
  type: 'stream',
  state: codec('StreamState').decode(codec('StreamState').encode(init)),
});
const session = (init: Init<SessionState>): RunEvent => ({
  type: 'session',
  state: codec('SessionState').decode(codec('SessionState').encode(init)),
});

const addresses = [{ host: 'media1', port: 4000 }];
const ready = stream({ phase: 'STREAM_PHASE_READY', addresses });
const moving = session({ phase: 'SESSION_PHASE_MOVING', bytes: 5n });
const halted = session({
  phase: 'SESSION_PHASE_HALTED',
  halted: true,
  haltedBytes: 10n,
  files: 3n,
});
const streamDone = stream({ phase: 'STREAM_PHASE_DONE', addresses, bytes: 10n });
const sessionDone = session({
  phase: 'SESSION_PHASE_DONE',
  halted: true,
  haltedBytes: 10n,
  files: 3n,
});
const killed = stream({
  phase: 'STREAM_PHASE_FAILED',
  addresses,
  status: status('tapeMgrKilled', 82),
});
const broken = stream({
  phase: 'STREAM_PHASE_FAILED',
  addresses,
  status: status('socketReadFailed', 23),
});
const filerFailed = session({
  phase: 'SESSION_PHASE_FAILED',
  status: status('ndmpFailed', 99),
});

function run(events: readonly RunEvent[], nowMs = 10): { run: Run; effects: RunEffect[] } {
  let state = newRun('backup', 'filer_1', 0);
  const effects: RunEffect[] = [];
  for (const event of events) {
    const next = step(state, event, nowMs, limits);
    state = next.run;
    effects.push(...next.effects);
  }
  return { run: state, effects };
}

const did = (effects: readonly RunEffect[], what: RunEffect['do']): number =>
  effects.filter((effect) => effect.do === what).length;

test('a backup: stream, session, finish, both done', () => {
  const { run: over, effects } = run([
    { type: 'started' },
    ...[ready, ready, moving, halted, halted, streamDone, sessionDone],
  ]);
  expect(effects.map((effect) => effect.do)).toEqual([
    ...['openStream', 'startSession', 'finishStream', 'end'],
  ]);
  expect(over.result?.status?.code).toBe(0);
  expect(over.result?.image).toMatchObject({ backupId: 'filer_1', bytes: 10n, files: 3n });
  expect(effects[2]).toMatchObject({ expectedBytes: 10n });
});

test('the catalog may be slower or faster than the drive', () => {
  const { run: over } = run([ready, moving, halted, sessionDone, streamDone]);
  expect(over.result?.status?.code).toBe(0);
});

test('a killed drive process is the cause, whoever tells first', () => {
  for (const order of [
    [killed, filerFailed],
    [filerFailed, killed],
  ]) {
    const { run: over, effects } = run([ready, moving, ...order]);
    expect(over.result?.status?.code).toBe(82);
    expect(did(effects, 'end')).toBe(1);
  }
});

test('a filer that fails is the cause of the broken connection', () => {
  const { run: over } = run([ready, moving, broken, filerFailed]);
  expect(over.result?.status?.code).toBe(99);
});

test('one child’s failure ends the other, and its echo is no cause', () => {
  const { run: waiting, effects } = run([ready, moving, filerFailed]);
  expect(did(effects, 'abortStream')).toBe(1);
  expect(waiting.result).toBe(null);
  const echo = stream({ phase: 'STREAM_PHASE_FAILED', status: status('ndmpFailed', 99) });
  const { run: over } = step(waiting, echo, 20, limits);
  expect(over.result?.status?.code).toBe(99);
});

test('a cancel ends both, and is the status whatever they say', () => {
  const cancelled: RunEvent = { type: 'cancelled', reason: status('cancelled', 150) };
  const { run: over, effects } = run([ready, moving, cancelled, killed, filerFailed]);
  expect(did(effects, 'abortStream')).toBe(1);
  expect(did(effects, 'abortSession')).toBe(1);
  expect(over.result?.status?.code).toBe(150);
});

test('a cancel before anything started needs only the stream', () => {
  const cancelled: RunEvent = { type: 'cancelled', reason: status('cancelled', 150) };
  const lost: RunEvent = { type: 'streamLost', status: status('tapeMgrKilled', 82) };
  const { run: over, effects } = run([{ type: 'started' }, cancelled, lost]);
  expect(did(effects, 'abortSession')).toBe(0);
  expect(over.result?.status?.code).toBe(150);
});

test('children that do not end are waited for no longer than the limit', () => {
  const { run: waiting } = run([ready, moving, filerFailed]);
  expect(step(waiting, { type: 'tick' }, 100, limits).run.result).toBe(null);
  const { run: over, effects } = step(waiting, { type: 'tick' }, 600, limits);
  expect(over.result?.status?.code).toBe(99);
  expect(did(effects, 'end')).toBe(1);
});

test.each<[string, RunEvent[], RegExp]>([
  ['a start without data', [ready], /no data moved/],
  ['silence in the middle', [ready, moving], /no data and no file/],
  ['an end without end', [ready, moving, halted], /end of the run/],
])('%s ends by its deadline', (_what, events, detail) => {
  const { run: before } = run(events);
  const { run: late } = step(before, { type: 'tick' }, 5_000, limits);
  expect(late.cancel?.detail).toMatch(detail);
});

test('a stream that waits for another volume is neither silent nor late: bptm bounds that', () => {
  const waits = stream({ phase: 'STREAM_PHASE_NEXT_VOLUME', addresses });
  const { run: before } = run([ready, moving, waits]);
  expect(step(before, { type: 'tick' }, 50_000, limits).run).toBe(before);
  expect(operationOf(before)).toBe('mounting');
});

test('after a restart the known states lead on, and a session that may be unasked is asked again', () => {
  const { run: before } = run([{ type: 'started' }, ready]);
  const resumed = step(before, { type: 'resumed' }, 20, limits);
  expect(resumed.effects.map((effect) => effect.do)).toEqual(['startSession']);
  const fresh = step(newRun('backup', 'b', 0), { type: 'resumed' }, 20, limits);
  expect(fresh.effects.map((effect) => effect.do)).toEqual(['openStream']);
  const { run: over } = run([ready, moving, halted, streamDone, sessionDone]);
  expect(step(over, { type: 'resumed' }, 20, limits).effects).toEqual([{ do: 'end' }]);
});

test('whatever the children say, there is one end, and success needs both', () => {
  const cancelled: RunEvent = { type: 'cancelled', reason: status('cancelled', 150) };
  const events = [ready, moving, halted, streamDone, sessionDone, killed, broken, filerFailed];
  const order = fc.array(fc.constantFrom(...events, cancelled), { maxLength: 25 });
  fc.assert(
    fc.property(order, (middle) => {
      const { run: over, effects } = run([{ type: 'started' }, ...middle]);
      expect(did(effects, 'end')).toBe(over.result === null ? 0 : 1);
      expect(did(effects, 'startSession')).toBeLessThanOrEqual(1);
      expect(did(effects, 'finishStream')).toBeLessThanOrEqual(1);
      if (over.result?.status?.code === 0) {
        expect(over.stream?.phase).toBe('STREAM_PHASE_DONE');
        expect(over.session?.phase).toBe('SESSION_PHASE_DONE');
      }
    }),
  );
});

test.each([
  [3n, 0n, 0],
  [3n, 1n, 1],
  [0n, 2n, 5],
])('%i restored and %i failed is status %i', (restored, failed, code) => {
  expect(restoreStatus(restored, failed).code).toBe(code);
});

test('nothing failed is no failure', () => {
  expect(fold({ cancel: null, stream: null, session: null })).toBe(null);
});

test('a label has a stream alone: it is over when that is, with what became of it, and in time', () => {
  const begin = step(newRun('label', '', 0), { type: 'started' }, 1, limits);
  expect(begin.effects).toEqual([{ do: 'openStream' }]);
  const writing = step(begin.run, stream({ phase: 'STREAM_PHASE_POSITIONING' }), 2, limits);
  expect([writing.effects, operationOf(writing.run)]).toEqual([[], 'writing']);
  const end = step(writing.run, stream({ phase: 'STREAM_PHASE_DONE' }), 3, limits);
  expect(end.run.result).toMatchObject({ status: { code: 0 }, image: null, restore: null });
  const refused = stream({ phase: 'STREAM_PHASE_FAILED', status: status('wrongTape', 93) });
  expect(step(writing.run, refused, 3, limits).run.result?.status?.code).toBe(93);
  expect(step(writing.run, { type: 'tick' }, 4000, limits).effects).toEqual([]);
  const late = step(writing.run, { type: 'tick' }, 5001, limits);
  expect(late.effects).toMatchObject([{ do: 'abortStream' }]);
});
