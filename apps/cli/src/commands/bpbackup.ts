// bpbackup: runs a policy now.

import { randomUUID } from 'node:crypto';
import { command } from '../command.ts';
import { parseDuration } from '../date-time.ts';
import { waitForJobs } from '../job-wait.ts';
import { usage } from '../option-table.ts';
import { ProgressLog } from '../progress-log.ts';

export const WAIT_OPTION = {
  kind: 'maybe',
  pattern: /^\d+(:\d{1,2}){1,2}$/,
  value: 'hh:mm:ss',
  help: 'wait for the end, at most so long, and exit with the status of the jobs',
} as const;

/** Milliseconds of `-w hh:mm:ss`; undefined for as long as it takes. */
export function waitMaxMs(given: string | true | undefined): number | undefined {
  if (typeof given !== 'string') return undefined;
  return (parseDuration(given) ?? 0) * 1000;
}

export const bpbackup = command({
  purpose: 'back up what a policy names, now',
  synopsis: ['-i -p POLICY [-s SCHEDULE] [-h CLIENT] [-k KEYWORD] [-w [hh:mm:ss]] [-L LOG]'],
  options: {
    i: { kind: 'flag', help: 'immediate backup by the administrator' },
    p: { kind: 'word', value: 'POLICY', help: 'policy' },
    s: { kind: 'word', value: 'SCHEDULE', help: 'schedule (a full one of the policy)' },
    h: { kind: 'word', value: 'CLIENT', help: 'this client only (all of the policy)' },
    k: { kind: 'word', value: 'KEYWORD', help: 'keyword phrase of the images' },
    t: { kind: 'number', value: '19', help: 'policy type: 19 (NDMP)' },
    w: WAIT_OPTION,
    L: { kind: 'word', value: 'LOG', help: 'append what happens to this file' },
  },
  example: 'bpbackup -i -p filers -s full -w',
  async run({ options }, context) {
    const { p: policy, s: schedule, h: client, k: keyword } = options;
    if (!options.i)
      throw usage('backups that users start need files on a client: use -i -p POLICY');
    if (policy === undefined) throw usage('-p POLICY is needed');
    const log = options.L === undefined ? undefined : new ProgressLog(context, options.L);
    const bprd = await context.client('bprd');
    const { jobIds } = await bprd.SubmitBackup({
      requestId: randomUUID(),
      requester: { user: context.user, host: context.machine },
      ...{ policy, schedule, client, keyword },
    });
    for (const id of jobIds) context.out(`job ${id} submitted\n`);
    log?.note(`submitted job ${jobIds.join(', ')} of policy ${policy}`);
    if (options.w === undefined) return 0;
    return await waitForJobs(context, { jobIds, waitMaxMs: waitMaxMs(options.w), log });
  },
});
