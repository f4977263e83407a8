// What is due now? A schedule is due when its frequency has passed since the last good backup that counts for it, and
// its window is open. Pure: times, history and the server's time zone are given.

import type { Policy, Schedule, ScheduleType } from '@tapestry/contracts';
import { nextWindow, type OffsetAt } from './windows.ts';

/** The newest validated backup of one schedule of one target. */
export interface LastBackup {
  readonly schedule: string;
  readonly type: ScheduleType;
  readonly atMs: number;
}

/** What is backed up as one image. */
export interface Target {
  readonly policy: Policy;
  readonly client: string;
  readonly path: string;
}

export interface NextRun extends Target {
  readonly schedule: Schedule;
  /** When it may start first: the time asked about, or later. */
  readonly startMs: number;
  /** When its window closes; Infinity for never. */
  readonly closeMs: number;
  readonly reason: string;
}

const RANK: Readonly<Record<ScheduleType, number>> = {
  SCHEDULE_TYPE_FULL: 2,
  SCHEDULE_TYPE_CINC: 1,
  SCHEDULE_TYPE_INCR: 0,
};

/**
 * The first run of a target at or after a time. Where several schedules may start then, a full goes before an
 * incremental, and the longer frequency before the shorter.
 */
export function nextRun(
  target: Target,
  history: readonly LastBackup[],
  fromMs: number,
  offsetAt: OffsetAt,
): NextRun | undefined {
  const { policy } = target;
  if (!policy.active) return undefined;
  const runs = policy.schedules
    .map((schedule) => runOf(target, schedule, history, fromMs, offsetAt))
    .filter((run) => run !== undefined);
  return runs.sort(byPrecedence)[0];
}

function runOf(
  target: Target,
  schedule: Schedule,
  history: readonly LastBackup[],
  fromMs: number,
  offsetAt: OffsetAt,
): NextRun | undefined {
  const covering = history.filter((last) => covers(last, schedule, target.policy));
  const last = covering.sort((a, b) => b.atMs - a.atMs)[0];
  const dueMs = last === undefined ? 0 : last.atMs + schedule.frequencyS * 1_000;
  const earliestMs = Math.max(fromMs, dueMs, Number(target.policy.effectiveMs));
  const window = nextWindow(schedule.windows, earliestMs, offsetAt);
  if (window === undefined) return undefined;
  const reason =
    last === undefined
      ? 'there is no backup yet'
      : `the last one (${last.schedule}) is ${schedule.frequencyS} s or more ago`;
  const startMs = Math.max(earliestMs, window.openMs);
  return { ...target, schedule, startMs, closeMs: window.closeMs, reason };
}

/** A backup counts for its own schedule, a full for every incremental, and a rarer one for its like. */
function covers(last: LastBackup, schedule: Schedule, policy: Policy): boolean {
  if (last.schedule === schedule.name) return RANK[last.type] >= RANK[schedule.type];
  if (RANK[last.type] < RANK[schedule.type]) return false;
  if (last.type === 'SCHEDULE_TYPE_FULL' && schedule.type !== 'SCHEDULE_TYPE_FULL') return true;
  const other = policy.schedules.find((each) => each.name === last.schedule);
  return other !== undefined && other.frequencyS > schedule.frequencyS;
}

function byPrecedence(a: NextRun, b: NextRun): number {
  return (
    a.startMs - b.startMs ||
    RANK[b.schedule.type] - RANK[a.schedule.type] ||
    b.schedule.frequencyS - a.schedule.frequencyS ||
    (a.schedule.name < b.schedule.name ? -1 : 1)
  );
}

const RUNS_PER_TARGET_MAX = 100;

/** What a target becomes due for until a time, if every run ends well at once. */
export function forecast(
  target: Target,
  history: readonly LastBackup[],
  span: { readonly fromMs: number; readonly untilMs: number },
  offsetAt: OffsetAt,
): NextRun[] {
  const runs: NextRun[] = [];
  let known = [...history];
  let fromMs = span.fromMs;
  while (runs.length < RUNS_PER_TARGET_MAX) {
    const run = nextRun(target, known, fromMs, offsetAt);
    if (run === undefined || run.startMs > span.untilMs) break;
    runs.push(run);
    const { name, type } = run.schedule;
    known = known.filter((last) => last.schedule !== name);
    known.push({ schedule: name, type, atMs: run.startMs });
    fromMs = run.startMs + 1;
  }
  return runs;
}
