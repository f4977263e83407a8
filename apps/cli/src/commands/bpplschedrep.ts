// bpplschedrep: changes a schedule, also the window of a single day.

import type { Window } from '@tapestry/contracts';
import { command } from '../command.ts';
import { parseDuration } from '../date-time.ts';
import { usage } from '../option-table.ts';
import { changePolicy, SCHEDULE_OPTIONS, windowOf, withScheduleOptions } from '../policy-edit.ts';
import { requireSchedules } from './bpplsched.ts';

const DAYS = ['0', '1', '2', '3', '4', '5', '6'] as const;
const day = (name: string) =>
  ({ kind: 'words', count: 2, value: 'START DURATION', help: `window of ${name}` }) as const;

export const bpplschedrep = command({
  purpose: 'change a schedule of a policy',
  synopsis: [
    'POLICY LABEL [-st TYPE] [-freq SECONDS] [-rl LEVEL] [-residence UNIT] [-pool POOL]',
    '       [-(0..6) START DURATION] ...',
  ],
  options: {
    ...SCHEDULE_OPTIONS,
    ...{ 0: day('Sunday'), 1: day('Monday'), 2: day('Tuesday'), 3: day('Wednesday') },
    ...{ 4: day('Thursday'), 5: day('Friday'), 6: day('Saturday') },
  },
  operandsMax: 2,
  example: 'bpplschedrep filers full -0 0 86400 -6 79200 21600',
  async run({ options, operands }, context) {
    const [name, label] = operands;
    if (name === undefined || label === undefined) throw usage('name a policy and a schedule');
    const windows = DAYS.map((each): Window | undefined => {
      const words = options[each];
      return words === undefined ? undefined : windowOf(words, parseDuration);
    });
    await changePolicy(context, name, (policy) => {
      requireSchedules(name, policy.schedules, [label]);
      const schedules = policy.schedules.map((schedule) => {
        if (schedule.name !== label) return schedule;
        const merged = windows.map(
          (window, i) => window ?? schedule.windows[i] ?? { startS: 0, durationS: 0 },
        );
        return { ...withScheduleOptions(schedule, options), windows: merged };
      });
      return { ...policy, schedules };
    });
    return 0;
  },
});
