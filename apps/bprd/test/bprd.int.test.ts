import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@tapestry/bus';
import { codec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import {
  type FakeService,
  fakeService,
  startTestBus,
  startTestDaemon,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bprd } from '../src/daemon.ts';

let bus: TestBus;
let dir: string;
let daemon: Awaited<ReturnType<typeof startTestDaemon>>;
let cli: Client<'bprd'>;
let nbpem: FakeService<'nbpem'>;
let nbjm: FakeService<'nbjm'>;
let bpdbm: FakeService<'bpdbm'>;

const RULE = `export const admissionRule = {
  rightsOf: ({ user, kind }) => {
    if (user === 'broken') throw new Error('planted');
    return { allowed: user !== 'mallory' || kind === 'backup', reason: 'ask the storage team' };
  },
};`;

const fullName = Buffer.from([0x2f, 0x76, 0x6f, 0x6c, 0x2f, 0xff]);

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-bprd-'));
  const rule = join(dir, 'rule.mjs');
  writeFileSync(rule, RULE);
  bus = await startTestBus();
  cli = (await bus.as({ service: 'cli' })).client('bprd');
  const policy = { name: 'nas', active: true, clients: ['filer1'], schedules: [{ name: 'full' }] };
  bpdbm = await fakeService(await bus.as({ service: 'bpdbm' }), 'bpdbm', {
    GetPolicy: async ({ name }) => {
      if (name === 'off') return { policy: { ...policy, name, active: false } };
      if (name !== 'nas') throw new StatusError('notFound', 'planted');
      return { policy };
    },
    PlanRestore: async ({ paths }) => ({
      ...{ files: 2n, bytes: 30n },
      steps: [
        { backupId: 'empty' },
        {
          backupId: 'filer1_1700000000',
          fragments: [{ number: 1, mediaId: 'A00001' }],
          entries: [...paths, fullName].map((originalPath) => ({ originalPath })),
        },
      ],
    }),
  });
  nbpem = await fakeService(await bus.as({ service: 'nbpem' }), 'nbpem', {
    RunImmediate: async () => ({ jobIds: [1n, 2n] }),
  });
  nbjm = await fakeService(await bus.as({ service: 'nbjm' }), 'nbjm', {
    SubmitJob: async () => ({ jobId: 3n }),
  });
  await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', {
    ListNdmpHosts: async () => ({ hosts: [{ name: 'filer1' }, { name: 'filer2' }] }),
  });
  daemon = await startTestDaemon(bprd, bus, {
    stateDir: dir,
    env: { BPRD_ADMISSION_MODULE: rule },
  });
});

afterAll(async () => {
  await daemon?.stop();
  await bus?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const requester = { user: 'alice', host: 'primary' };

test('a backup goes to nbpem under the same request id, with its owner', async () => {
  const request = { requestId: 'r1', requester, policy: 'nas', schedule: 'full', client: 'filer1' };
  expect(await cli.SubmitBackup(request)).toEqual({ jobIds: [1n, 2n] });
  expect(nbpem.requests('RunImmediate')).toMatchObject([
    { requestId: 'r1', policy: 'nas', schedule: 'full', client: 'filer1', owner: 'alice' },
  ]);
});

test.each([
  ['nobody', {}, 230],
  ['off', {}, 247],
  ['nas', { schedule: 'yearly' }, 197],
  ['nas', { client: 'filer9' }, 239],
  ['', {}, 133],
])('a backup of policy "%s" with %o is refused with %i', async (policy, wanted, code) => {
  const before = nbpem.calls.length;
  const request = { requestId: 'r2', requester, policy, ...wanted };
  await expect(cli.SubmitBackup(request)).rejects.toMatchObject({ code });
  expect(nbpem.calls).toHaveLength(before);
});

test('a refusal of nbpem is passed on unchanged', async () => {
  nbpem.answer({
    RunImmediate: async () => {
      throw new StatusError('noScheduleOfType', 'no full schedule');
    },
  });
  const run = cli.SubmitBackup({ requestId: 'r3', policy: 'nas' });
  await expect(run).rejects.toMatchObject({ code: 240, detail: 'no full schedule' });
});

const bytes = (text: string): Buffer => Buffer.from(text);

test('a restore becomes a job with every destination, and empty steps are left out', async () => {
  const reply = await cli.SubmitRestore({
    ...{ requestId: 'r4', requester, client: 'filer1', destClient: 'filer2' },
    ...{ paths: [bytes('/vol/home')], keepExisting: true },
    renames: [{ from: bytes('/vol'), to: bytes('/restore') }],
  });
  expect(reply).toEqual({
    ...{ jobId: 3n, files: 2n, bytes: 30n },
    backupIds: ['filer1_1700000000'],
  });
  const [submitted] = nbjm.requests('SubmitJob');
  expect(submitted).toMatchObject({
    key: 'restore/r4',
    job: {
      ...{ type: 'JOB_TYPE_RESTORE', client: 'filer1', owner: 'alice', priority: 90_000 },
      restore: { destClient: 'filer2', overwrite: false },
    },
  });
  const steps = submitted?.job?.restore?.steps ?? [];
  expect(steps.map((step) => step.backupId)).toEqual(['filer1_1700000000']);
  const places = steps[0]!.entries.map((entry) => Buffer.from(entry.destinationPath));
  expect(places[0]?.toString()).toBe('/restore/home');
  expect(places[1]).toEqual(Buffer.concat([Buffer.from('/restore/'), Buffer.from([0xff])]));
});

test('a restore that cannot be is refused: nothing matched, no such host, not permitted', async () => {
  const request = { requestId: 'r5', requester, client: 'filer1', paths: [bytes('/vol/home')] };
  const unknown = cli.SubmitRestore({ ...request, destClient: 'filer9' });
  await expect(unknown).rejects.toMatchObject({ code: 2108 });
  const mallory = cli.SubmitRestore({ ...request, requester: { user: 'mallory' } });
  await expect(mallory).rejects.toMatchObject({ code: 117, detail: 'ask the storage team' });
  const broken = cli.SubmitRestore({ ...request, requester: { user: 'broken' } });
  await expect(broken).rejects.toMatchObject({ code: 117 });
  bpdbm.answer({ PlanRestore: async () => codec('PlanRestoreReply').decode(new Uint8Array()) });
  await expect(cli.SubmitRestore(request)).rejects.toMatchObject({ code: 190 });
});

test('a module that is no admission rule keeps bprd from starting', async () => {
  const wrong = join(dir, 'wrong.mjs');
  writeFileSync(wrong, 'export const nothing = 1;');
  const start = startTestDaemon(bprd, bus, {
    stateDir: dir,
    env: { BPRD_ADMISSION_MODULE: wrong },
  });
  await expect(start).rejects.toMatchObject({ code: 152 });
});
