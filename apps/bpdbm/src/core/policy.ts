// What a policy may say. Promises: a saved policy can be run by nbpem as it stands, and names each path once.

import type { Policy, Schedule, Window } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { RETENTION_LEVEL_MAX } from './retention.ts';

const NAME = /^[A-Za-z0-9_.+-]+$/;
const NAME_MAX = 127;
const DAY_S = 86_400;
const WEEK_S = 7 * DAY_S;
/** NetBackup's bound for clients and paths of one policy is far higher than anybody's; ours keeps messages small. */
const LINES_MAX = 5_000;
/** Streams on one drive at once. */
const MPX_MAX = 32;
const DIRECTIVE = /^(SET\s+[^\s=]+\s*=.*|UNSET\s+\S+|UNSET_ALL|NEW_STREAM)$/;

export function emptyPolicy(name: string): Policy {
  return {
    ...{ name, type: 'NDMP', active: true, residence: '', pool: 'NetBackup', priority: 0 },
    ...{ maxJobs: 0, keyword: '', clients: [], includes: [], schedules: [] },
    ...{ generation: 0n, effectiveMs: 0n },
  };
}

export function checkPolicyName(name: string): void {
  if (name === '') throw new StatusError('requiredValueNotSet', 'the policy has no name');
  if (name.length > NAME_MAX || !NAME.test(name) || name.startsWith('-')) {
    throw invalid(
      `policy name '${name}' must be at most ${NAME_MAX} letters, digits, . _ + -, with no - first`,
    );
  }
}

function invalid(what: string): StatusError {
  return new StatusError('invalidEntry', what);
}

/** Errors: 223 with the entry, 231 windows that overlap, 224 a name or path twice. */
export function checkPolicy(policy: Policy): void {
  checkPolicyName(policy.name);
  if (policy.type !== 'NDMP') {
    throw new StatusError('notImplemented', `policies of type ${policy.type} are not built yet`);
  }
  if (policy.priority > 99_999) throw invalid('a job priority is at most 99999');
  if (policy.clients.length > LINES_MAX || policy.includes.length > LINES_MAX) {
    throw invalid(`a policy has at most ${LINES_MAX} clients and ${LINES_MAX} paths`);
  }
  for (const client of policy.clients) {
    if (client === '' || client.length > 255 || /[\s/]/.test(client)) {
      throw invalid(`client '${client}' is not a host name`);
    }
  }
  requireDistinct('client', policy.clients);
  const paths = pathsOf(policy.includes);
  requireDistinct('path', paths);
  for (const line of policy.includes) checkLine(line.trim());
  requireDistinct(
    'schedule',
    policy.schedules.map((schedule) => schedule.name),
  );
  for (const schedule of policy.schedules) checkSchedule(schedule);
}

function requireDistinct(what: string, names: readonly string[]): void {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) throw new StatusError('conflict', `${what} ${twice} is named twice`);
}

/** A path as dump dates are kept by it: without slashes at the end. */
export function pathKey(path: string): string {
  return path.trim().replace(/(?<=.)\/+$/, '');
}

export function pathsOf(includes: readonly string[]): string[] {
  return includes
    .map((line) => line.trim())
    .flatMap((line) => (line.startsWith('/') ? [pathKey(line)] : []));
}

function checkLine(line: string): void {
  if (line.startsWith('/')) {
    if (/[*?[\]]/.test(line)) {
      throw new StatusError('badPathname', `${line}: wildcards are not expanded, name the paths`);
    }
    if (line.split('/').includes('..')) throw invalid(`${line}: a path has no '..'`);
  } else if (!DIRECTIVE.test(line)) {
    throw invalid(`'${line}' is neither a path nor SET, UNSET, UNSET_ALL or NEW_STREAM`);
  }
}

function checkSchedule(schedule: Schedule): void {
  const { name, retentionLevel, multiplexing, windows } = schedule;
  if (name === '' || name.length > NAME_MAX || !NAME.test(name)) {
    throw invalid(`schedule name '${name}' must be letters, digits, . _ + -`);
  }
  if (retentionLevel > RETENTION_LEVEL_MAX) {
    throw invalid(`schedule ${name}: retention levels end at ${RETENTION_LEVEL_MAX}`);
  }
  if (multiplexing > MPX_MAX) {
    throw invalid(`schedule ${name}: at most ${MPX_MAX} streams share a drive`);
  }
  if (windows.length !== 0 && windows.length !== 7) {
    throw invalid(`schedule ${name}: there are seven windows, Sunday first`);
  }
  checkWindows(name, windows);
}

/** A window may reach into the next days; none may reach into another. */
function checkWindows(schedule: string, windows: readonly Window[]): void {
  const open = windows
    .map(({ startS, durationS }, day) => ({ fromS: day * DAY_S + startS, startS, durationS }))
    .filter((window) => window.durationS > 0);
  for (const { startS, durationS } of open) {
    if (startS >= DAY_S || durationS > WEEK_S) {
      throw invalid(
        `schedule ${schedule}: a window starts within its day and lasts a week at most`,
      );
    }
  }
  open.forEach((window, i) => {
    const next = open[(i + 1) % open.length]!;
    const nextS = i + 1 < open.length ? next.fromS : next.fromS + WEEK_S;
    if (window.fromS + window.durationS > nextS) {
      throw new StatusError('windowsOverlap', `schedule ${schedule}: windows overlap`);
    }
  });
}
