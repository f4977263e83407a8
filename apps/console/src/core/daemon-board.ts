// What runs, from heartbeats alone. A daemon that went silent stays on the board, because its absence is the news;
// one whose place was taken by a younger process of the same service and host leaves it.

import type { ApiDaemon } from '../schemas.ts';

export interface Beat {
  readonly service: string;
  readonly host: string;
  readonly pid: number;
  readonly ready: boolean;
  readonly reason: string;
  readonly leader: boolean;
  readonly version: string;
  readonly startedMs: number;
  readonly rssBytes: number;
}

export interface Heard extends Beat {
  readonly heardMs: number;
}

export type Board = ReadonlyMap<string, Heard>;

/** Heartbeats come every five seconds. */
export const SILENT_AFTER_MS = 15_000;
const FORGET_AFTER_MS = 24 * 3_600_000;
const DAEMONS_MAX = 1_000;

export function hearBeat(board: Board, beat: Beat, nowMs: number): Board {
  const next = new Map<string, Heard>();
  for (const [key, old] of board) {
    const replaced =
      old.service === beat.service &&
      old.host === beat.host &&
      old.heardMs + SILENT_AFTER_MS < nowMs;
    if (!replaced && old.heardMs + FORGET_AFTER_MS > nowMs) next.set(key, old);
  }
  const key = keyOf(beat);
  if (next.has(key) || next.size < DAEMONS_MAX) next.set(key, { ...beat, heardMs: nowMs });
  return next;
}

export function listDaemons(board: Board, nowMs: number): ApiDaemon[] {
  return [...board]
    .map(([key, heard]) => ({ ...heard, key, state: stateOf(heard, nowMs) }))
    .sort((a, b) => a.service.localeCompare(b.service) || a.key.localeCompare(b.key));
}

function stateOf(heard: Heard, nowMs: number): ApiDaemon['state'] {
  if (heard.heardMs + SILENT_AFTER_MS < nowMs) return 'silent';
  return heard.ready ? 'up' : 'notReady';
}

function keyOf({ service, host, pid }: Beat): string {
  return `${service}@${host === '' ? 'primary' : host}#${pid}`;
}
