import type { Lease } from '@tapestry/runtime/fence';
import { expect, test } from 'vitest';
import {
  type DriveEvent,
  type DriveRow,
  idleRow,
  isDueHome,
  step,
  validForMs,
} from './drive-row.ts';

const limits = { silentMs: 100, doubtMs: 500 };
const lease = (epoch: bigint): Lease => ({
  attempt: { jobId: epoch, try: 1, step: 0 },
  grantId: `g${epoch}`,
  epoch,
});

function run(events: readonly [number, DriveEvent][]): DriveRow {
  return events.reduce(
    (row, [nowMs, event]) => step(row, event, nowMs, limits),
    idleRow('drive0', 0, 0),
  );
}

const ask = (epoch: bigint, volumeNumber = 0): DriveEvent => ({
  type: 'mountAsked',
  lease: lease(epoch),
  mediaId: `A0000${volumeNumber + 1}`,
  volumeNumber,
});
const mounted = (epoch: bigint, volumeNumber = 0): DriveEvent => ({
  ...{ type: 'mounted', lease: lease(epoch), volumeNumber },
});
const giveBack = (epoch: bigint, stillHeld = false): DriveEvent => ({
  type: 'unmountAsked',
  lease: lease(epoch),
  stillHeld,
  doubt: '',
});

test('a mount is held until it is given back; the volume stays', () => {
  const held = run([
    [1, ask(5n)],
    [2, mounted(5n)],
  ]);
  expect(held).toMatchObject({ state: 'mounted', holder: { grantId: 'g5' } });
  const idle = step(held, giveBack(5n), 3, limits);
  expect(idle).toMatchObject({ state: 'idle', holder: null, mediaId: 'A00001' });
});

test('a later grant takes the drive, an earlier one does not', () => {
  const later = run([
    [1, ask(5n)],
    [2, mounted(5n)],
    [3, ask(6n)],
  ]);
  expect(later).toMatchObject({ state: 'mounting', holder: { epoch: 6n } });
  expect(step(later, ask(5n), 4, limits)).toBe(later);
});

test('late words of an earlier holder change nothing', () => {
  const now = run([
    [1, ask(5n)],
    [2, ask(6n)],
    [3, mounted(6n)],
  ]);
  for (const late of [giveBack(5n), mounted(5n)]) expect(step(now, late, 9, limits)).toBe(now);
});

test('after a restart a drive is unknown until its writer is heard of, or seen to be gone', () => {
  const restarted = run([
    [1, ask(5n)],
    [2, mounted(5n)],
    [10, { type: 'restarted' }],
  ]);
  expect(restarted.state).toBe('unknown');
  const heard: DriveEvent = { type: 'heard', lease: lease(5n), writerPid: 9 };
  expect(step(restarted, heard, 20, limits)).toMatchObject({ state: 'mounted', writerPid: 9 });
  const gone: DriveEvent = { type: 'looked', stillHeld: false };
  expect(step(restarted, gone, 50, limits).state).toBe('unknown');
  expect(step(restarted, gone, 110, limits)).toMatchObject({ state: 'idle', holder: null });
});

test('a silent writer that has the drive open keeps it', () => {
  const silent = run([
    [1, ask(5n)],
    [2, mounted(5n)],
    [500, { type: 'looked', stillHeld: true }],
  ]);
  expect(silent).toMatchObject({ state: 'unknown', holder: { epoch: 5n } });
  expect(step(silent, { type: 'looked', stillHeld: false }, 501, limits).holder).toBe(null);
});

test('given back while a process has it open is not idle', () => {
  const doubt = run([
    [1, ask(5n)],
    [2, mounted(5n)],
    [3, giveBack(5n, true)],
  ]);
  expect(doubt.state).toBe('unknown');
});

test('a lease is good for T1 from its last renewal', () => {
  const row = run([
    [1000, ask(5n)],
    [2000, { type: 'renewed', lease: lease(5n) }],
  ]);
  expect(validForMs(row, 2500, 1000)).toBe(500);
  expect(validForMs(row, 9000, 1000)).toBe(0);
});

test('a volume stays for the delay once nobody holds it, and not while somebody does', () => {
  const idle = run([
    [1, ask(5n)],
    [2, mounted(5n)],
    [100, giveBack(5n)],
  ]);
  expect(isDueHome(idle, 199, 100)).toBe(false);
  expect(isDueHome(idle, 200, 100)).toBe(true);
  expect(isDueHome(step(idle, ask(6n), 150, limits), 900, 100)).toBe(false);
  const gone = step(idle, { type: 'sighted', full: false }, 300, limits);
  expect(gone).toMatchObject({ mediaId: '', idleMs: 0 });
  expect(isDueHome(gone, 900, 100)).toBe(false);
});

test('a volume that nobody brought is idle from when it was seen; a stuck one waits once more', () => {
  const seen = run([[50, { type: 'sighted', full: true }]]);
  expect(seen.idleMs).toBe(50);
  expect(step(seen, { type: 'sighted', full: true }, 70, limits)).toBe(seen);
  const stuck = step(seen, { type: 'stuck', reason: 'jam' }, 90, limits);
  expect(stuck).toMatchObject({ reason: 'jam', idleMs: 90 });
  const held = step(seen, ask(5n), 60, limits);
  expect(step(held, { type: 'sighted', full: true }, 70, limits)).toBe(held);
});

test('under one grant the next volume takes the place of the one before, which never comes back', () => {
  const held = run([
    [1, ask(5n)],
    [2, mounted(5n)],
    [3, ask(5n, 1)],
  ]);
  expect(held).toMatchObject({ state: 'mounting', mediaId: 'A00002', holder: { epoch: 5n } });
  for (const late of [ask(5n), mounted(5n)]) expect(step(held, late, 4, limits)).toBe(held);
  const there = step(held, mounted(5n, 1), 5, limits);
  expect(there).toMatchObject({ state: 'mounted', mediaId: 'A00002', volumeNumber: 1 });
  expect(step(there, ask(5n, 1), 6, limits)).toBe(there);
  expect(step(there, giveBack(5n), 7, limits)).toMatchObject({ holder: null, volumeNumber: 0 });
});

test('a next volume that cannot be mounted leaves the drive with its holder, a first one does not', () => {
  const failed = (volumeNumber: number): DriveEvent => ({
    ...{ type: 'mountFailed', lease: lease(5n), reason: 'stuck', volumeNumber },
  });
  const first = run([
    [1, ask(5n)],
    [2, failed(0)],
  ]);
  expect(first).toMatchObject({ state: 'idle', holder: null });
  const next = run([
    [1, ask(5n)],
    [2, mounted(5n)],
    [3, ask(5n, 1)],
    [4, failed(1)],
  ]);
  expect(next).toMatchObject({ state: 'mounting', mediaId: '', holder: { epoch: 5n } });
  expect(step(next, ask(5n, 2), 5, limits)).toMatchObject({ mediaId: 'A00003' });
});

test('a restart that meets an exchange does not take the next volume for mounted', () => {
  const heard: DriveEvent = { type: 'heard', lease: lease(5n), writerPid: 9 };
  const row = run([
    [1, ask(5n)],
    [2, mounted(5n)],
    [3, ask(5n, 1)],
    [4, { type: 'restarted' }],
    [5, heard],
  ]);
  expect(row).toMatchObject({ state: 'mounting', mediaId: 'A00002' });
});

test('a drive that somebody else had open is unknown for a while, with the reason, and moved by nobody', () => {
  const told: DriveEvent = {
    ...{ type: 'unmountAsked', lease: lease(5n), stillHeld: false, doubt: 'filer1: drive busy' },
  };
  const held = run([
    [1, ask(5n)],
    [2, mounted(5n)],
  ]);
  const doubt = step(held, told, 10, limits);
  expect(doubt).toMatchObject({ state: 'unknown', holder: null, reason: 'filer1: drive busy' });
  expect(isDueHome(doubt, 1000, 100)).toBe(false);
  expect(step(doubt, { type: 'trusted' }, 509, limits)).toBe(doubt);
  const again = step(doubt, { type: 'trusted' }, 510, limits);
  expect(again).toMatchObject({ state: 'idle', reason: '' });
  // An operator, or the next grant, need not wait for it.
  expect(step(doubt, ask(6n), 20, limits)).toMatchObject({ state: 'mounting', reason: '' });
});
