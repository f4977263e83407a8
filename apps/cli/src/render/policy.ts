// A policy as bppllist and its relatives show it: -L and -U for people, -l as records for programs.

import type { Policy, Schedule } from '@tapestry/contracts';
import { formatDuration } from '../date-time.ts';
import { codeOfScheduleType, POLICY_TYPE_CODES, scheduleTypeText } from './codes.ts';
import { type Field, fields, orNull, word } from './table.ts';

const DAYS = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
/** What NetBackup shows for "no limit" of jobs. */
const NO_LIMIT = 2_147_483_647;
/** Lists of up to ten copies in records: we make one. */
const COPIES_SHOWN = 10;

export function policyLong(policy: Policy): string {
  return [
    policyAttributes(policy),
    clientsLong(policy),
    includesLong(policy),
    ...policy.schedules.map(scheduleLong),
  ].join('\n');
}

export function policyAttributes(policy: Policy): string {
  const rows: Field[] = [
    ['Policy Name', policy.name],
    ['Policy Type', policy.type],
    ['Active', policy.active ? 'yes' : 'no'],
    ['Residence', policy.residence || '- (any available)'],
    ['Volume Pool', policy.pool],
    ['Job Priority', policy.priority],
    ['Max Jobs/Policy', policy.maxJobs === 0 ? 'Unlimited' : policy.maxJobs],
    ['Keyword', policy.keyword],
    ['Generation', policy.generation],
  ];
  return fields(rows);
}

export function clientsLong(policy: Policy): string {
  if (policy.clients.length === 0) return fields([['Clients', 'none']]);
  return policy.clients
    .map((client, i) =>
      fields([[i === 0 ? 'Client/HW/OS' : ' '.repeat(12), `${client} NDMP NDMP`]]),
    )
    .join('')
    .replaceAll(/^ {12}:/gm, ' '.repeat(13));
}

export function includesLong(policy: Policy): string {
  if (policy.includes.length === 0) return fields([['Include', 'none']]);
  return policy.includes
    .map((line, i) => fields([[i === 0 ? 'Include' : ' '.repeat(7), line]]))
    .join('')
    .replaceAll(/^ {7}:/gm, ' '.repeat(8));
}

export function scheduleLong(schedule: Schedule): string {
  const rows: Field[] = [
    ['Schedule', schedule.name],
    ['  Type', scheduleTypeText(schedule.type)],
    ['  Frequency', frequencyText(schedule.frequencyS)],
    ['  Retention Level', schedule.retentionLevel],
    ['  Maximum MPX', Math.max(1, schedule.multiplexing)],
    ['  Residence', schedule.residence || '(policy)'],
    ['  Volume Pool', schedule.pool || '(policy)'],
  ];
  const windows = schedule.windows.flatMap((window, day) =>
    window.durationS === 0
      ? []
      : [`    ${(DAYS[day] ?? '').padEnd(10)} ${windowText(window.startS, window.durationS)}`],
  );
  const shown = windows.length === 0 ? ['    none: runs only by hand'] : windows;
  return `${fields(rows)}  Daily Windows:\n${shown.join('\n')}\n`;
}

function windowText(startS: number, durationS: number): string {
  return `${formatDuration(startS)}  for  ${formatDuration(durationS)}`;
}

function frequencyText(seconds: number): string {
  for (const [unit, size] of [
    ['week', 604_800],
    ['day', 86_400],
    ['hour', 3_600],
  ] as const) {
    if (seconds >= size && seconds % size === 0) {
      const count = seconds / size;
      return `${count} ${unit}${count === 1 ? '' : 's'} (${seconds} seconds)`;
    }
  }
  return `${seconds} seconds`;
}

/** CLASS, NAMES, INFO … SCHEDRL in NetBackup's order; values that we have no use for stand as their defaults. */
export function policyRecords(policy: Policy): string {
  const copies = (first: string): string =>
    [first, ...Array<string>(COPIES_SHOWN - 1).fill('*NULL*')].join(' ');
  return [
    `CLASS ${policy.name} *NULL* 0 ${policy.generation} 0 *NULL*`,
    'NAMES',
    infoRecord(policy),
    `KEY ${orNull(policy.keyword)}`,
    'BCMD *NULL*',
    'RCMD *NULL*',
    `RES ${copies(orNull(policy.residence))}`,
    `POOL ${copies(orNull(policy.pool))}`,
    'FOE 0 0 0 0 0 0 0 0 0 0',
    'SHAREGROUP *ANY*',
    'DATACLASSIFICATION *NULL*',
    ...clientRecords(policy),
    ...includeRecords(policy),
    ...policy.schedules.flatMap(scheduleRecords),
    '',
  ].join('\n');
}

/** Type, follow NFS, compress, priority, proxy, encrypt, disaster recovery, jobs, cross mounts, fragment, inactive … */
export function infoRecord(policy: Policy): string {
  const jobs = policy.maxJobs === 0 ? NO_LIMIT : policy.maxJobs;
  const values = [
    ...[POLICY_TYPE_CODES[policy.type] ?? 19, 0, 0, policy.priority, '*NULL*', 0, 0, jobs, 0, 0],
    ...[policy.active ? 0 : 1, 0, 0, 0, 0, 0, 0, 0, policy.effectiveMs / 1000n, '*NULL*'],
    ...[1, 0, 0, 0, 0, 0, '*NULL*', 0, -1, 0, '*NULL*', 0, 0, 0, 0, 0, policy.generation],
  ];
  return `INFO ${values.join(' ')}`;
}

export function clientRecords(policy: Policy): string[] {
  return policy.clients.map((client) => `CLIENT ${client} NDMP NDMP 0 0 0 0 *NULL*`);
}

export function includeRecords(policy: Policy): string[] {
  return policy.includes.map((line) => `INCLUDE ${line}`);
}

export function scheduleRecords(schedule: Schedule): string[] {
  const windows = Array.from({ length: 7 }, (_, day) => schedule.windows[day]);
  return [
    `SCHED ${word(schedule.name)} ${codeOfScheduleType(schedule.type)} ${Math.max(1, schedule.multiplexing)} ` +
      `${schedule.frequencyS} ${schedule.retentionLevel} 0 0 0 *NULL* 0 0 1 0 0 0 -1 *NULL* 0`,
    `SCHEDWIN ${windows.map((each) => `${each?.startS ?? 0} ${each?.durationS ?? 0}`).join(' ')}`,
    `SCHEDRES ${orNull(schedule.residence)}`,
    `SCHEDPOOL ${orNull(schedule.pool)}`,
    `SCHEDRL ${schedule.retentionLevel}`,
    'SCHEDFOE 0',
  ];
}
