// What nbrb knows, for people: requests that wait and why, grants and who holds them, and what nobody can vouch for.

import type {
  Attempt,
  CounterUse,
  DumpReply,
  HeldGrant,
  UnknownResource,
  WaitingRequest,
} from '@tapestry/contracts';
import { formatDateTime } from '../date-time.ts';
import { fields, table } from './table.ts';

export function dumpText(dump: DumpReply, withCounters = false): string {
  const { waiting, grants, unknown, counters, suspended } = dump;
  const part = (title: string, count: number, text: () => string): string =>
    `${title} (${count})\n${count === 0 ? '  none\n' : text()}`;
  return [
    ...(suspended === '' ? [] : [`Nothing is given out: ${suspended}\n`]),
    part('Requests that wait', waiting.length, () => waiting.map(waitingText).join('\n')),
    part('Grants', grants.length, () => activeLines(grants)),
    part('State unknown', unknown.length, () => unknownLines(unknown)),
    ...(withCounters ? [part('Counters', counters.length, () => counterLines(counters))] : []),
  ].join('\n');
}

function waitingText({ request, reasons }: WaitingRequest): string {
  const read = request?.mode === 'DRIVE_MODE_READ';
  const text = fields(
    [
      ['request', attemptText(request?.attempt ?? null)],
      ['since', time(request?.requestedMs ?? 0n)],
      ['priority', request?.priority ?? 0],
      ['policy', request?.policy ?? ''],
      ['client', request?.client ?? ''],
      read
        ? ['reads volume', request?.mediaId ?? '']
        : ['writes to', `${request?.storageUnit || 'any unit'}, pool ${request?.pool}`],
    ],
    2,
  );
  return `${text}${reasons.map((reason) => `    waits: ${reason}\n`).join('')}`;
}

function counterLines(counters: readonly CounterUse[]): string {
  return table(
    ['name', 'used'].map((title) => ({ title })),
    counters.map(({ name, used }) => [name, String(used)]),
  );
}

export function activeLines(grants: readonly HeldGrant[]): string {
  const titles = ['job', 'mode', 'drive', 'volume', 'pool', 'unit', 'media server', 'state'];
  return table(
    [...titles.map((title) => ({ title })), { title: 'renewed' }, { title: 'grant' }],
    grants.map(({ grant, state, renewedMs }) => [
      attemptText(grant?.attempt ?? null),
      grant?.mode === 'DRIVE_MODE_READ' ? 'read' : 'write',
      grant?.drive?.name ?? '-',
      grant?.volume?.mediaId ?? '-',
      grant?.volume?.pool ?? '-',
      grant?.storageUnit || '-',
      grant?.mediaServer || '-',
      state,
      time(renewedMs),
      `${grant?.grantId} epoch ${grant?.epoch}`,
    ]),
  );
}

export function unknownLines(unknown: readonly UnknownResource[]): string {
  return table(
    ['kind', 'name', 'since', 'reason'].map((title) => ({ title })),
    unknown.map(({ kind, name, sinceMs, reason }) => [kind, name, time(sinceMs), reason]),
  );
}

function attemptText(attempt: Attempt | null): string {
  if (attempt === null) return '-';
  return `${attempt.jobId} (try ${attempt.try}${attempt.step === 0 ? '' : `, step ${attempt.step}`})`;
}

function time(ms: bigint): string {
  return formatDateTime(ms / 1000n);
}
