// Reads a policy, lets a command change it, and writes it back as the generation that was read: whoever comes second
// is told so, and nothing is lost.

import type { Init, Policy, Schedule, Window } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Context } from './command.ts';
import { usage } from './option-table.ts';
import { scheduleTypeOf } from './render/codes.ts';

/** The one word that names the policy. Error: 144. */
export function policyName(operands: readonly string[]): string {
  const [name] = operands;
  if (name === undefined) throw usage('name a policy');
  return name;
}

/** Errors: 230. */
export async function readPolicy(context: Context, name: string): Promise<Policy> {
  const { policy } = await (await context.client('bpdbm')).GetPolicy({ name });
  if (policy === null) throw new StatusError('policyMissing', `there is no policy ${name}`);
  return policy;
}

/** Errors: 230, 224 when somebody changed it meanwhile, 223 and others for what it may not say. */
export async function changePolicy(
  context: Context,
  name: string,
  change: (policy: Policy) => Init<Policy>,
): Promise<void> {
  const policy = change(await readPolicy(context, name));
  await (await context.client('bpdbm')).UpdatePolicy({ policy });
}

export interface ScheduleOptions {
  readonly st: string | undefined;
  readonly freq: number | undefined;
  readonly rl: number | undefined;
  readonly mpxmax: number | undefined;
  readonly residence: string | undefined;
  readonly pool: string | undefined;
}

export const SCHEDULE_OPTIONS = {
  st: { kind: 'word', value: 'FULL|INCR|CINC', help: 'what it backs up' },
  freq: { kind: 'number', value: 'SECONDS', help: 'how often it runs (604800: a week)' },
  rl: { kind: 'number', value: 'LEVEL', help: 'retention level (1: two weeks)' },
  mpxmax: { kind: 'number', value: 'N', help: 'images on one drive at once: 1 to 32' },
  residence: { kind: 'word', value: 'UNIT', help: "storage unit instead of the policy's" },
  pool: { kind: 'word', value: 'POOL', help: "volume pool instead of the policy's" },
} as const;

/** The schedule with what the options name; the rest stays. Error: 144. */
export function withScheduleOptions(schedule: Schedule, options: ScheduleOptions): Schedule {
  const type = options.st === undefined ? schedule.type : scheduleTypeOf(options.st);
  if (type === undefined) throw usage(`-st is FULL, INCR or CINC, not '${options.st}'`);
  return {
    ...schedule,
    type,
    frequencyS: options.freq ?? schedule.frequencyS,
    retentionLevel: options.rl ?? schedule.retentionLevel,
    multiplexing: options.mpxmax ?? schedule.multiplexing,
    residence: cleared(options.residence, schedule.residence),
    pool: cleared(options.pool, schedule.pool),
  };
}

/** `*NULL*` takes a value away. */
export function cleared(given: string | undefined, before: string): string {
  return given === '*NULL*' ? '' : (given ?? before);
}

/** `START DURATION`, in seconds or as hh:mm:ss. Error: 144. */
export function windowOf(
  [start, duration]: readonly string[],
  seconds: (text: string) => number | undefined,
): Window {
  const startS = seconds(start ?? '');
  const durationS = seconds(duration ?? '');
  if (startS === undefined || durationS === undefined) {
    throw usage(`a window is a start and a duration in seconds, not '${start} ${duration}'`);
  }
  return { startS, durationS };
}
