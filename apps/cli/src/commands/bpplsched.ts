// bpplsched: the schedules of a policy.

import type { Schedule } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { command, requireSome } from '../command.ts';
import { parseDuration } from '../date-time.ts';
import { usage } from '../option-table.ts';
import {
  changePolicy,
  policyName,
  readPolicy,
  SCHEDULE_OPTIONS,
  windowOf,
  withScheduleOptions,
} from '../policy-edit.ts';
import { scheduleLong, scheduleRecords } from '../render/policy.ts';

const WEEK_S = 604_800;
const NO_WINDOW = { startS: 0, durationS: 0 };

export const bpplsched = command({
  purpose: 'list, add or delete the schedules of a policy',
  synopsis: [
    'POLICY [-L | -l | -U] [-label LABEL]',
    'POLICY -add LABEL [-st FULL|INCR|CINC] [-freq SECONDS] [-rl LEVEL] [-window START DURATION]',
    '       [-residence UNIT] [-pool POOL]',
    'POLICY -delete LABEL ... | -deleteall',
  ],
  options: {
    L: { kind: 'flag', help: 'long listing' },
    l: { kind: 'flag', help: 'records for programs' },
    U: { kind: 'flag', help: 'listing for people' },
    label: { kind: 'word', value: 'LABEL', help: 'list this schedule only' },
    add: { kind: 'word', value: 'LABEL', help: 'add a schedule' },
    ...SCHEDULE_OPTIONS,
    window: {
      kind: 'words',
      count: 2,
      value: 'START DURATION',
      help: 'start window of every day, in seconds; without one it runs only by hand',
    },
    delete: { kind: 'list', value: 'LABEL', help: 'delete schedules' },
    deleteall: { kind: 'flag', help: 'delete all schedules' },
  },
  operandsMax: 1,
  example: 'bpplsched filers -add full -st FULL -freq 604800 -rl 1 -window 79200 21600',
  async run({ options, operands }, context) {
    const name = policyName(operands);
    const { add, delete: gone, deleteall } = options;
    if ([add, gone, deleteall || undefined].filter((each) => each !== undefined).length > 1) {
      throw usage('-add, -delete and -deleteall exclude each other');
    }
    if (add !== undefined) {
      const window =
        options.window === undefined ? NO_WINDOW : windowOf(options.window, parseDuration);
      const schedule = withScheduleOptions(newSchedule(add, window), options);
      await changePolicy(context, name, (policy) => {
        if (policy.schedules.some((each) => each.name === add)) {
          throw new StatusError('alreadyExists', `policy ${name} has a schedule ${add} already`);
        }
        return { ...policy, schedules: [...policy.schedules, schedule] };
      });
    } else if (gone !== undefined || deleteall) {
      await changePolicy(context, name, (policy) => {
        const labels = gone ?? policy.schedules.map((each) => each.name);
        requireSchedules(name, policy.schedules, labels);
        return {
          ...policy,
          schedules: policy.schedules.filter((each) => !labels.includes(each.name)),
        };
      });
    } else {
      const { schedules } = await readPolicy(context, name);
      const { label } = options;
      if (label !== undefined) requireSchedules(name, schedules, [label]);
      requireSome(schedules, `policy ${name} has no schedules`);
      for (const schedule of schedules.filter((each) => (label ?? each.name) === each.name)) {
        context.out(
          options.l ? `${scheduleRecords(schedule).join('\n')}\n` : `${scheduleLong(schedule)}\n`,
        );
      }
    }
    return 0;
  },
});

function newSchedule(name: string, window: { startS: number; durationS: number }): Schedule {
  return {
    ...{ name, type: 'SCHEDULE_TYPE_FULL', frequencyS: WEEK_S, retentionLevel: 1 },
    ...{ residence: '', pool: '', multiplexing: 1 },
    windows: Array.from({ length: 7 }, () => ({ ...window })),
  };
}

/** Error: 197. */
export function requireSchedules(
  policy: string,
  schedules: readonly Schedule[],
  labels: readonly string[],
): void {
  const unknown = labels.find((label) => !schedules.some((each) => each.name === label));
  if (unknown !== undefined) {
    throw new StatusError('scheduleMissing', `policy ${policy} has no schedule ${unknown}`);
  }
}
