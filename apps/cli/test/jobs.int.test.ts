import './utc.ts';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';
import { imageRow, jobRow, START_S } from './rows.ts';

let shell: FakedShell;
beforeAll(async () => {
  shell = await startFakedShell(['bprd', 'bpdbm', 'bpjobd', 'nbjm']);
});
afterAll(() => shell.stop());

test('bpimagelist asks for the last day, and lists in each form', async () => {
  shell.answer('bpdbm', {
    ListImages: async ({ backupId }) => ({
      images: backupId === 'nosuch' ? [] : [imageRow()],
      more: false,
    }),
  });
  expect((await shell.run('bpimagelist -idonly')).out).toBe('filer1_1763794800\n');
  expect(shell.asked('bpdbm', 'ListImages')).toMatchObject({ startS: START_S - 86_400n, endS: 0n });
  await shell.run('bpimagelist -hoursago 2 -client filer1 -policy filers');
  expect(shell.asked('bpdbm', 'ListImages')).toMatchObject({
    ...{ startS: START_S - 7_200n, client: 'filer1', policy: 'filers' },
  });
  expect((await shell.run('bpimagelist -backupid nosuch')).status).toBe(227);
  expect(shell.asked('bpdbm', 'ListImages')).toMatchObject({ startS: 0n });
});

test('bplist reads page after page', async () => {
  const file = (name: string) => ({
    path: Buffer.from(`/vol/${name}`),
    ...{ type: 'file', sizeBytes: 5n, mtimeS: START_S, mode: 0o640, uid: 1, gid: 2 },
    backupId: 'filer1_1763794800',
  });
  const seen: string[] = [];
  shell.answer('bpdbm', {
    ListFiles: async ({ afterPath }) => {
      seen.push(Buffer.from(afterPath).toString());
      return seen.length === 1
        ? { files: [file('a'), file('b')], more: true }
        : { files: [file('c')], more: false };
    },
  });
  expect((await shell.run('bplist -C filer1 -t 19 -R 5 /vol')).out).toBe(
    '/vol/a\n/vol/b\n/vol/c\n',
  );
  expect(seen).toEqual(['', '/vol/b']);
  expect(shell.asked('bpdbm', 'ListFiles')).toMatchObject({ client: 'filer1', recursionDepth: 5 });
  shell.answer('bpdbm', { ListFiles: async () => ({ files: [], more: false }) });
  expect((await shell.run('bplist -C filer1 /vol/none')).status).toBe(227);
  expect((await shell.run('bplist -C filer1 -t 13 /vol')).status).toBe(20);
  expect((await shell.run('bplist /vol')).status).toBe(144);
});

test('bpbackup prints the job ids', async () => {
  shell.answer('bprd', { SubmitBackup: async () => ({ jobIds: [7n, 8n] }) });
  const { status, out } = await shell.run('bpbackup -i -p filers -s full -h filer1 -k word');
  expect({ status, out }).toEqual({ status: 0, out: 'job 7 submitted\njob 8 submitted\n' });
  expect(shell.asked('bprd', 'SubmitBackup')).toMatchObject({
    ...{ policy: 'filers', schedule: 'full', client: 'filer1', keyword: 'word' },
    requester: { user: 'operator', host: 'desk' },
  });
  expect((await shell.run('bpbackup -p filers')).status).toBe(144);
  expect((await shell.run('bpbackup -i')).status).toBe(144);
});

test('bpbackup -w follows the job and exits with its status', async () => {
  const log = join(shell.dir, 'progress.log');
  const rows = [
    jobRow({ state: 'JOB_STATE_QUEUED', bytes: 0n, stateDetails: 'no drive is free' }),
    jobRow({ bytes: 1_000_000n }),
    jobRow({ bytes: 3_000_000n }),
    jobRow({ state: 'JOB_STATE_DONE', status: 84, statusText: 'TAP001 block 8 was refused' }),
  ];
  let asks = 0;
  shell.answer('bprd', { SubmitBackup: async () => ({ jobIds: [7n] }) });
  shell.answer('bpjobd', {
    GetJob: async ({ afterLine }) => {
      asks += 1;
      // Not there yet when it was just submitted; away for a moment later.
      if (asks === 1) throw new StatusError('jobMissing', 'no job 7');
      if (asks === 3) throw new StatusError('databaseError', 'away');
      const line = { number: 1n, text: 'began', producer: 'bptm', atMs: START_S * 1000n };
      return { job: rows.shift() ?? null, lines: afterLine === 0n ? [line] : [] };
    },
  });
  const { status, out, error } = await shell.run(`bpbackup -i -p filers -w -L ${log}`);
  expect(status).toBe(84);
  expect(out).toMatchInlineSnapshot(`
    "job 7 submitted
    job 7: Queued (no drive is free)
    job 7: Active, writing: 1.0 MB, 1.0 MB/s, 12 files
    job 7: ended with status 84: 2.0 MB, 12 files
    "
  `);
  expect(error).toBe('EXIT STATUS 84: writing to the media failed\n  TAP001 block 8 was refused\n');
  expect(readFileSync(log, 'utf8')).toMatch(/- info bptm began\n[\s\S]*status 84/);
  expect(readFileSync(log, 'utf8').match(/began/g)).toHaveLength(1);
});

test('on a screen one line is rewritten', async () => {
  const rows = [jobRow(), jobRow({ state: 'JOB_STATE_DONE' })];
  shell.answer('bprd', { SubmitBackup: async () => ({ jobIds: [7n] }) });
  shell.answer('bpjobd', { GetJob: async () => ({ job: rows.shift() ?? null }) });
  const { status, out } = await shell.run('bpbackup -i -p filers -w', { isScreen: true });
  expect(status).toBe(0);
  expect(out).toBe(
    'job 7 submitted\n\rjob 7: Active, writing: 2.0 MB, 12 files\u001b[K\r\u001b[K' +
      'job 7: done: 2.0 MB, 12 files\n',
  );
});

test('bpbackup -w hh:mm:ss gives up in time, and says that the job goes on', async () => {
  shell.answer('bprd', { SubmitBackup: async () => ({ jobIds: [7n] }) });
  shell.answer('bpjobd', { GetJob: async () => ({ job: jobRow() }) });
  const { status, error } = await shell.run('bpbackup -i -p filers -w 00:00:05');
  expect(status).toBe(41);
  expect(error).toMatch(/goes on/);
});

test('of several jobs some fail: partial', async () => {
  shell.answer('bprd', { SubmitBackup: async () => ({ jobIds: [7n, 8n] }) });
  shell.answer('bpjobd', {
    GetJob: async ({ jobId }) => ({
      job: jobRow({ jobId, state: 'JOB_STATE_DONE', status: jobId === 7n ? 0 : 99 }),
    }),
  });
  expect((await shell.run('bpbackup -i -p filers -w')).status).toBe(1);
});

test('bprestore sends paths, rename rules and dates', async () => {
  const rules = join(shell.dir, 'rules');
  const list = join(shell.dir, 'list');
  writeFileSync(rules, 'change /vol/home to /vol/back\n');
  writeFileSync(list, '/vol/home/b\\xff\n');
  shell.answer('bprd', {
    SubmitRestore: async () => ({ jobId: 9n, files: 2n, bytes: 5_000_000n, backupIds: ['f_1'] }),
  });
  const { status, out } = await shell.run([
    ...['bprestore', '-C', 'filer1', '-D', 'filer2', '-t', '19', '-p', 'filers', '-R', rules],
    ...['-f', list, '-s', '11/22/2025', '06:00:00', '-e', '11/22/2025 07:00:00', '-K'],
    '/vol/home/a',
  ]);
  expect({ status, out }).toEqual({
    status: 0,
    out: 'job 9 submitted: 2 files, 5.0 MB from f_1\n',
  });
  expect(shell.asked('bprd', 'SubmitRestore')).toMatchObject({
    ...{ client: 'filer1', destClient: 'filer2', policy: 'filers', keepExisting: true },
    paths: [Buffer.from('/vol/home/a'), Buffer.from('/vol/home/b\xff', 'latin1')],
    renames: [{ from: Buffer.from('/vol/home'), to: Buffer.from('/vol/back') }],
    ...{ startS: START_S - 3_600n, endS: START_S },
  });
  expect((await shell.run('bprestore -C filer1')).status).toBe(144);
  shell.answer('bprd', {
    SubmitRestore: async () => {
      throw new StatusError('noneMatched', 'no image holds /vol/x');
    },
  });
  expect((await shell.run('bprestore -C filer1 /vol/x')).status).toBe(190);
});

test('bpdbjobs reports, counts, cancels and deletes', async () => {
  shell.answer('bpjobd', {
    ListJobs: async ({ jobIds, beforeJobId }) => {
      const all = [8n, 7n].filter((id) => beforeJobId === 0n || id < beforeJobId);
      const chosen = jobIds.length === 0 ? all : all.filter((id) => jobIds.includes(id));
      return {
        jobs: chosen.slice(0, 1).map((jobId) => jobRow({ jobId })),
        more: chosen.length > 1,
        summary: { queued: 1n, active: 2n, total: 3n },
      };
    },
    GetJob: async ({ jobId }) => ({ job: jobRow({ jobId }) }),
    DeleteJobs: async ({ jobIds }) => ({ deleted: jobIds.length - 1 }),
  });
  shell.answer('nbjm', {
    CancelJob: async ({ jobId }) => {
      if (jobId === 99n) throw new StatusError('jobMissing', 'there is no job 99');
      return {};
    },
  });
  expect((await shell.run('bpdbjobs')).out.match(/^ +\d /gm)).toHaveLength(2);
  expect((await shell.run('bpdbjobs -report -all_columns')).out.match(/^[78],/gm)).toHaveLength(2);
  expect((await shell.run('bpdbjobs -jobid 7 -l')).out).toMatch(/^7 0 1 - filers full filer1/);
  expect((await shell.run('bpdbjobs -jobid 7,55')).status).toBe(805);
  expect((await shell.run('bpdbjobs -summary -all_columns')).out).toBe('1,0,2,0,0,0,0,0,3\n');
  expect((await shell.run('bpdbjobs -cancel 7,8')).status).toBe(0);
  expect(shell.asked('nbjm', 'CancelJob')).toMatchObject({ jobId: 8n, requester: 'operator' });
  expect(await shell.run('bpdbjobs -cancel 99,7')).toMatchObject({ status: 805 });
  expect(shell.asked('nbjm', 'CancelJob')).toMatchObject({ jobId: 7n });
  expect((await shell.run('bpdbjobs -cancel 99')).error).toBe(
    'job 99: EXIT STATUS 805: the job id is not valid\n  there is no job 99\n',
  );
  expect((await shell.run('bpdbjobs -cancel_all')).status).toBe(0);
  expect((await shell.run('bpdbjobs -delete 7,8')).status).toBe(227);
  expect((await shell.run('bpdbjobs -jobid seven')).status).toBe(144);
  expect((await shell.run('bpdbjobs -summary -cancel 7')).status).toBe(144);
});

test('bplabel submits a job, waits for it and exits with its status', async () => {
  const done = { state: 'JOB_STATE_DONE', type: 'JOB_TYPE_ERASE', mediaId: 'TAP001' } as const;
  shell.answer('bprd', { SubmitLabel: async () => ({ jobId: 9n }) });
  shell.answer('bpjobd', {
    GetJob: async () => ({
      job: jobRow({ ...done, jobId: 9n, status: 168, statusText: 'foreign' }),
    }),
  });
  const line = 'bplabel -m tap001 -d hcart -o -p Test -n drive1 -host media1 -erase -l';
  const { status, out, error } = await shell.run(line);
  expect([status, error]).toEqual([168, expect.stringContaining('foreign')]);
  expect(out).toMatch(/^job 9 submitted\n/);
  expect(shell.asked('bprd', 'SubmitLabel')).toMatchObject({
    ...{ erase: true, pool: 'Test' },
    label: {
      ...{ mediaId: 'TAP001', density: 'hcart', drive: 'drive1', mediaServer: 'media1' },
      ...{ overwrite: true, longErase: true },
    },
  });
  expect((await shell.run('bplabel -m TAP001 -d hcart -l')).status).toBe(144);
  expect((await shell.run('bplabel -m TAP001')).status).toBe(144);
});
