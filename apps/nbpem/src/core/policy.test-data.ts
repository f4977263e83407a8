// Policies for tests.

import { codec, type Init, type Policy, type Schedule, type Window } from '@tapestry/contracts';

export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;
export const ALWAYS: readonly Window[] = Array.from({ length: 7 }, () => ({
  startS: 0,
  durationS: 86_400,
}));

/** Every day at this hour, for so many hours. */
export function daily(hour: number, hours: number): Window[] {
  return Array.from({ length: 7 }, () => ({ startS: hour * 3_600, durationS: hours * 3_600 }));
}

export function schedule(name: string, fields: Init<Schedule> = {}): Init<Schedule> {
  return { name, frequencyS: 86_400, retentionLevel: 1, windows: ALWAYS, ...fields };
}

export function policy(fields: Init<Policy> = {}): Policy {
  const type = codec('Policy');
  return type.decode(
    type.encode({
      ...{ name: 'nas', type: 'NDMP', active: true, clients: ['filer1'] },
      ...{ includes: ['/vol/home'], schedules: [schedule('full')] },
      ...fields,
    }),
  );
}
