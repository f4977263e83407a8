// Names a process for as long as this boot lasts: a number alone may be another's tomorrow.

import assert from 'node:assert';
import { readStat } from './process-stat.ts';

export interface ProcessMark {
  readonly pid: number;
  /** Clock ticks from boot to its start: tells it from a later process with its number. */
  readonly startTicks: string;
}

/** The process that has this number now; null when none lives. */
export function markOf(pid: number): ProcessMark | null {
  const stat = readStat(pid);
  return stat === null ? null : { pid, startTicks: stat.startTicks };
}

export function ownMark(): ProcessMark {
  const mark = markOf(process.pid);
  assert(mark !== null, '/proc does not show this process');
  return mark;
}

/** True while the same process runs, not merely one with its number. */
export function stillLives(mark: ProcessMark): boolean {
  return readStat(mark.pid)?.startTicks === mark.startTicks;
}

/** True while any process has this number, even one that we may not signal. A zombie has ended. */
export function isAlive(pid: number): boolean {
  return readStat(pid) !== null;
}
