// Jobs as bpdbjobs shows them: tables for people, and NetBackup's comma-separated columns for programs.

import type { GetJobReply, JobRow, TryRow } from '@tapestry/contracts';
import { formatDateTime, formatDuration } from '../date-time.ts';
import {
  codeOfJobState,
  codeOfJobType,
  codeOfOperation,
  codeOfScheduleType,
  jobStateText,
  jobTypeText,
  POLICY_TYPE_CODES,
} from './codes.ts';
import { fields, table } from './table.ts';

/** One value of a comma-separated record: commas, backslashes and line ends are escaped with a backslash. */
export function column(value: string | number | bigint): string {
  return String(value)
    .replaceAll(/[\\,]/g, (sign) => `\\${sign}`)
    .replaceAll(/\r?\n/g, ' ');
}

function columns(values: readonly (string | number | bigint)[]): string {
  return `${values.map(column).join(',')}\n`;
}

/** Fields 1 to 31 of both column formats. */
function fixedColumns(job: JobRow, nowMs: number): (string | number | bigint)[] {
  const done = job.state === 'JOB_STATE_DONE';
  return [
    ...[job.jobId, codeOfJobType(job.type), codeOfJobState(job.state), done ? job.status : ''],
    ...[job.policy, job.schedule, job.client, job.mediaServer, job.startedMs / 1000n],
    ...[elapsedS(job, nowMs), job.endedMs / 1000n, job.storageUnit, job.try],
    ...[codeOfOperation(job.operation), kilobytes(job.bytes), job.files, job.path],
    ...[percent(job), '', job.owner, job.subtype, POLICY_TYPE_CODES[job.policyType] ?? ''],
    ...[codeOfScheduleType(job.scheduleType), job.priority, '', '', job.retentionLevel],
    ...['', 0, kilobytes(job.bytesExpected), 0],
  ];
}

/** Everything that follows the tries; empty for what we have nothing to say about. */
function lastColumns(job: JobRow, nowMs: number): (string | number | bigint)[] {
  const reads = job.type === 'JOB_TYPE_RESTORE';
  const named = { parent: 0, rate: rateKbS(job, nowMs), copy: 1 };
  const vault = { robot: '', vault: '', profile: '', session: '', eject: '' };
  const media = {
    ...{ sourceUnit: '', sourceServer: '', source: reads ? job.mediaId : '' },
    ...{ destination: reads ? '' : job.mediaId, stream: 0 },
  };
  const powers = { suspendable: 0, resumable: 0, restartable: 0, dataMovement: 0, snapshot: 0 };
  const rest = {
    ...{ backupId: job.backupId, killable: job.state === 'JOB_STATE_DONE' ? 0 : 1, control: '' },
    ...{ offHost: '', fiber: '', queueReason: job.stateDetails, dedup: '', accelerator: '' },
    ...{ instance: '' },
  };
  return Object.values({ ...named, ...vault, ...media, ...powers, ...rest });
}

/** `-report -most_columns`: without the file list and the tries. */
export function mostColumns(job: JobRow, nowMs: number): string {
  return columns([...fixedColumns(job, nowMs), 0, job.try, ...lastColumns(job, nowMs)]);
}

/** `-report -all_columns`: with the file list, and each try with its lines. */
export function allColumns({ job, tries, lines }: GetJobReply, nowMs: number): string {
  if (job === null) return '';
  const files = job.path === '' ? [] : [job.path];
  const parts = tries.flatMap((each) => {
    const own = linesOf(each, tries, lines);
    return [
      ...['', each.storageUnit, each.mediaServer, each.startedMs / 1000n, tryElapsedS(each, nowMs)],
      ...[each.endedMs / 1000n, each.endedMs === 0n ? '' : each.status, each.statusText],
      ...[own.length, ...own.map((line) => detailText(line))],
      ...[kilobytes(each.bytes), each.files],
    ];
  });
  return columns([
    ...[...fixedColumns(job, nowMs), files.length, ...files, tries.length, ...parts],
    ...lastColumns(job, nowMs),
  ]);
}

/** `mm/dd/yyyy hh:mm:ss - info bptm (job 7, try 1) text` */
export function detailText(line: GetJobReply['lines'][number]): string {
  const at = formatDateTime(line.atMs / 1000n);
  return `${at} - ${line.severity || 'info'} ${line.producer} ${line.text}`;
}

/** The default and -U: a line a job. */
export function jobTable(jobs: readonly JobRow[], nowMs: number): string {
  const right = (title: string) => ({ title, right: true });
  return table(
    [
      ...[right('JobID'), { title: 'Type' }, { title: 'State' }, right('Status')],
      ...[{ title: 'Policy' }, { title: 'Schedule' }, { title: 'Client' }, { title: 'Path' }],
      ...[{ title: 'Media Server' }, { title: 'Started' }, right('Elapsed'), right('Kilobytes')],
      right('Files'),
    ],
    jobs.map((job) => [
      ...[String(job.jobId), jobTypeText(job.type), stateText(job)],
      job.state === 'JOB_STATE_DONE' ? String(job.status) : '',
      ...[job.policy, job.schedule, job.client, job.path, job.mediaServer],
      formatDateTime((job.startedMs || job.submittedMs) / 1000n),
      ...[formatDuration(elapsedS(job, nowMs)), String(kilobytes(job.bytes)), String(job.files)],
    ]),
  );
}

/** `-l`: short records, fields parted by blanks. */
export function jobShort(job: JobRow): string {
  const text = (value: string): string => (value === '' ? '-' : value.replaceAll(/\s+/g, '_'));
  return `${[
    ...[job.jobId, codeOfJobType(job.type), codeOfJobState(job.state)],
    ...[job.state === 'JOB_STATE_DONE' ? job.status : '-', text(job.policy), text(job.schedule)],
    ...[text(job.client), text(job.mediaServer), job.startedMs / 1000n, job.endedMs / 1000n],
    ...[kilobytes(job.bytes), job.files],
  ].join(' ')}\n`;
}

/** `-L`: all about a job, with its tries and their lines. */
export function jobLong({ job, tries, lines }: GetJobReply, nowMs: number): string {
  if (job === null) return '';
  const done = job.state === 'JOB_STATE_DONE';
  const head = fields([
    ['Job ID', job.jobId],
    ['Type', jobTypeText(job.type)],
    ['State', stateText(job)],
    ['State Details', job.stateDetails],
    ['Status', done ? `${job.status}${job.statusText === '' ? '' : ` (${job.statusText})`}` : ''],
    ['Policy', job.policy],
    ['Schedule', job.schedule],
    ['Client', clientText(job)],
    ['Path', job.path],
    ['Media Server', job.mediaServer],
    ['Storage Unit', job.storageUnit],
    ['Media', job.mediaId === '' ? '' : `${job.mediaId} in ${job.drive}`],
    ['Operation', job.operation],
    ['Attempt', job.try],
    ['Backup ID', job.backupId],
    ['Owner', job.owner],
    ['Priority', job.priority],
    ['Submitted', formatDateTime(job.submittedMs / 1000n)],
    ['Started', formatDateTime(job.startedMs / 1000n)],
    ['Elapsed', formatDuration(elapsedS(job, nowMs))],
    ['Ended', formatDateTime(job.endedMs / 1000n)],
    ['Tried again at', formatDateTime(job.retryAtMs / 1000n)],
    ['Kilobytes', kilobytes(job.bytes)],
    ['Files', job.files],
    ['KB/sec', rateKbS(job, nowMs)],
    ['% complete', percent(job)],
  ]);
  const early = tries.length === 0 ? lines.map((line) => `  ${detailText(line)}\n`).join('') : '';
  return (
    head + tries.map((each) => tryText(each, linesOf(each, tries, lines), nowMs)).join('') + early
  );
}

function clientText({ client, destClient }: JobRow): string {
  return destClient === '' || destClient === client ? client : `${client}, to ${destClient}`;
}

/** Lines of a try; those from before the first, as while a job waits, count for the first. */
function linesOf(
  each: TryRow,
  tries: readonly TryRow[],
  lines: GetJobReply['lines'],
): GetJobReply['lines'] {
  const first = Math.min(...tries.map((other) => other.try));
  return lines.filter((line) => Math.max(line.try, first) === each.try);
}

function tryText(each: TryRow, own: GetJobReply['lines'], nowMs: number): string {
  const ended = each.endedMs === 0n ? 'running' : `status ${each.status} ${each.statusText}`;
  const amount = `${kilobytes(each.bytes)} KB, ${each.files} files`;
  const about = `Try ${each.try}: ${ended.trim()}, ${formatDuration(tryElapsedS(each, nowMs))}, ${amount}`;
  return `${[about, ...own.map((line) => `  ${detailText(line)}`)].join('\n')}\n`;
}

/** The labels of `bpdbjobs -summary`, in its order. */
const SUMMARY_LABELS = [
  ...[['Queued', 'queued'] as const, ['Waiting-to-Retry', 'requeued'] as const],
  ...[['Active', 'active'] as const, ['Successful', 'successful'] as const],
  ...[['Partially Successful', 'partial'] as const, ['Failed', 'failed'] as const],
  ...[['Incomplete', 'incomplete'] as const, ['Suspended', 'suspended'] as const],
  ['Total', 'total'] as const,
];

export function summaryLong(summary: Readonly<Record<string, bigint>>): string {
  return fields(SUMMARY_LABELS.map(([label, key]) => [label, summary[key] ?? 0n]));
}

/** Counts in the order of the labels, parted by commas (-all_columns) or blanks (-l). */
export function summaryRecord(
  summary: Readonly<Record<string, bigint>>,
  separator: string,
): string {
  return `${SUMMARY_LABELS.map(([, key]) => summary[key] ?? 0n).join(separator)}\n`;
}

export function stateText(job: JobRow): string {
  return job.cancelling ? 'Cancelling' : jobStateText(job.state);
}

function kilobytes(bytes: bigint): bigint {
  return bytes / 1024n;
}

/** Whole seconds since the start, until the end when there is one. */
export function elapsedS(job: JobRow, nowMs: number): bigint {
  if (job.startedMs === 0n) return 0n;
  const endMs = job.endedMs === 0n ? BigInt(Math.trunc(nowMs)) : job.endedMs;
  return endMs < job.startedMs ? 0n : (endMs - job.startedMs) / 1000n;
}

function tryElapsedS(each: TryRow, nowMs: number): bigint {
  if (each.startedMs === 0n) return 0n;
  const endMs = each.endedMs === 0n ? BigInt(Math.trunc(nowMs)) : each.endedMs;
  return endMs < each.startedMs ? 0n : (endMs - each.startedMs) / 1000n;
}

function rateKbS(job: JobRow, nowMs: number): bigint {
  const seconds = elapsedS(job, nowMs);
  return kilobytes(job.bytes) / (seconds === 0n ? 1n : seconds);
}

function percent(job: JobRow): string {
  if (job.state === 'JOB_STATE_DONE') return job.status <= 1 ? '100' : '';
  if (job.bytesExpected === 0n) return '';
  const share = (job.bytes * 100n) / job.bytesExpected;
  return String(share > 99n ? 99n : share);
}
