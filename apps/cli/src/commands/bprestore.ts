// bprestore: brings files back from images, to where they were or elsewhere.

import { randomUUID } from 'node:crypto';
import { StatusError } from '@tapestry/status';
import { command } from '../command.ts';
import { waitForJobs } from '../job-wait.ts';
import { usage } from '../option-table.ts';
import { ProgressLog } from '../progress-log.ts';
import { parseRenameRules } from '../rename-rules.ts';
import { pathBytes } from '../render/file.ts';
import { readLines } from '../text-file.ts';
import { WAIT_OPTION, waitMaxMs } from './bpbackup.ts';

const NDMP_TYPE = 19;

export const bprestore = command({
  purpose: 'restore files',
  synopsis: [
    '-C CLIENT [-D CLIENT] [-t 19] [-p POLICY] [-s DATE] [-e DATE] [-R RENAME_FILE] [-K]',
    '       [-L LOG] [-priority N] [-w [hh:mm:ss]] -f LIST_FILE | PATH ...',
  ],
  options: {
    C: { kind: 'word', value: 'CLIENT', help: 'client that was backed up' },
    D: { kind: 'word', value: 'CLIENT', help: 'client to restore to (the same)' },
    t: { kind: 'number', value: '19', help: 'policy type: 19 (NDMP)' },
    p: { kind: 'word', value: 'POLICY', help: 'from images of this policy' },
    s: { kind: 'date', help: 'from backups since then' },
    e: { kind: 'date', help: 'from backups until then' },
    backupid: { kind: 'word', value: 'ID', help: 'from this image' },
    R: { kind: 'word', value: 'FILE', help: 'lines "change /from to /to": where files go' },
    f: { kind: 'word', value: 'FILE', help: 'paths, one a line, as bplist shows them' },
    K: { kind: 'flag', help: 'keep files that exist' },
    priority: { kind: 'number', value: 'N', help: 'job priority, higher first' },
    print_jobid: { kind: 'flag', help: 'accepted; the job id is always printed' },
    w: WAIT_OPTION,
    L: { kind: 'word', value: 'LOG', help: 'append what happens to this file' },
  },
  operandsMax: Number.POSITIVE_INFINITY,
  example: 'bprestore -C filer1 -R rename.txt -w /vol/home/plans',
  async run({ options, operands }, context) {
    const { C: client, t = NDMP_TYPE } = options;
    if (client === undefined) throw usage('-C CLIENT is needed');
    requireNdmp(t);
    const listed = options.f === undefined ? [] : readLines(context.cwd, options.f);
    const paths = [...operands, ...listed].map(pathBytes);
    if (paths.length === 0) throw usage('name the files to restore, or a list of them with -f');
    const rules = options.R === undefined ? [] : readLines(context.cwd, options.R);
    const renames = parseRenameRules(rules);
    const log = options.L === undefined ? undefined : new ProgressLog(context, options.L);
    const reply = await (await context.client('bprd')).SubmitRestore({
      requestId: randomUUID(),
      requester: { user: context.user, host: context.machine },
      ...{ client, paths, renames, destClient: options.D, policy: options.p },
      ...{ startS: seconds(options.s), endS: seconds(options.e), backupId: options.backupid },
      ...{ priority: options.priority, keepExisting: options.K },
    });
    const amount = `${reply.files} files, ${(Number(reply.bytes) / 1e6).toFixed(1)} MB`;
    const text = `job ${reply.jobId} submitted: ${amount} from ${reply.backupIds.join(', ')}`;
    context.out(`${text}\n`);
    log?.note(text);
    if (options.w === undefined) return 0;
    const jobIds = [reply.jobId];
    return await waitForJobs(context, { jobIds, waitMaxMs: waitMaxMs(options.w), log });
  },
});

export function seconds(date: number | undefined): bigint | undefined {
  return date === undefined ? undefined : BigInt(date);
}

/** Error: 20. */
export function requireNdmp(type: number): void {
  if (type !== NDMP_TYPE) {
    throw new StatusError('invalidParameter', `policy type ${type} is not served: 19 (NDMP) is`);
  }
}
