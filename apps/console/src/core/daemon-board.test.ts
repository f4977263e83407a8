import { expect, test } from 'vitest';
import { type Beat, type Board, hearBeat, listDaemons } from './daemon-board.ts';

const beat = (fields: Partial<Beat> = {}): Beat => ({
  ...{ service: 'nbjm', host: '', pid: 1, ready: true, reason: '', leader: true },
  ...{ version: '1', startedMs: 0, rssBytes: 1 },
  ...fields,
});

const board = (beats: readonly (readonly [number, Partial<Beat>])[]): Board =>
  beats.reduce<Board>((known, [atMs, fields]) => hearBeat(known, beat(fields), atMs), new Map());

test('a daemon is up, not ready, or silent', () => {
  const known = board([
    [0, { pid: 1 }],
    [10_000, { service: 'nbrb', ready: false, reason: 'no database' }],
  ]);
  expect(listDaemons(known, 12_000).map(({ service, state }) => [service, state])).toEqual([
    ['nbjm', 'up'],
    ['nbrb', 'notReady'],
  ]);
  expect(listDaemons(known, 16_000)[0]?.state).toBe('silent');
});

test('a restarted daemon takes the place of its silent predecessor, a second one stands beside it', () => {
  const restarted = board([
    [0, { pid: 1 }],
    [20_000, { pid: 2 }],
  ]);
  expect(listDaemons(restarted, 20_000).map(({ pid }) => pid)).toEqual([2]);
  const two = board([
    [0, { pid: 1 }],
    [1_000, { pid: 2 }],
  ]);
  expect(listDaemons(two, 2_000).map(({ pid }) => pid)).toEqual([1, 2]);
  const hosts = board([
    [0, { service: 'ltid', host: 'media1' }],
    [20_000, { service: 'ltid', host: 'media2' }],
  ]);
  expect(listDaemons(hosts, 20_000).map(({ host, state }) => [host, state])).toEqual([
    ['media1', 'silent'],
    ['media2', 'up'],
  ]);
});
