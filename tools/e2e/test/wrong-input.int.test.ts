// What people and filers get wrong: each has a status and a text that says what to do, and nothing stays held.

import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { addPolicy, POLICY, type Site, startSite, writeNoise } from './site.ts';

let site: Site;

beforeAll(async () => {
  site = await startSite({ env: { nbpem: { NBPEM_RETRY_DELAY_MS: '600000' } } });
  writeNoise(join(site.source, 'file'), 100_000);
});

afterAll(() => site?.stop());

/** The first try's end: nbpem may plan another, which a test does not wait for. */
async function firstTry(jobId: bigint): Promise<{ status: number; details: string }> {
  const row = await site.waitFor(
    jobId,
    'tried',
    ({ state }) => state === 'JOB_STATE_DONE' || state === 'JOB_STATE_REQUEUED',
  );
  const details = await site.details(jobId);
  if (row.state !== 'JOB_STATE_DONE')
    await site.bus.client('nbjm').CancelJob({ jobId, requester: 'test' });
  await site.ended(jobId);
  await site.nothingHeld();
  return { status: row.status, details };
}

test('unknown policy, schedule and client are refused at the door', async () => {
  const bprd = site.bus.client('bprd');
  const requester = { user: 'test', host: 'test' };
  const submit = (policy: string, schedule: string, client: string): Promise<unknown> =>
    bprd.SubmitBackup({
      requestId: `${policy}/${schedule}/${client}`,
      requester,
      policy,
      schedule,
      client,
    });
  await expect(submit('nobody', 'full', 'filer1')).rejects.toMatchObject({ code: 230 });
  await expect(submit(POLICY, 'weekly', 'filer1')).rejects.toMatchObject({ code: 197 });
  await expect(submit(POLICY, 'full', 'filer9')).rejects.toMatchObject({ code: 239 });
});

test("a path that the filer does not have: the filer's own line reaches the details", async () => {
  await addPolicy(site.bus, 'wrongpath', ['/data/not/there']);
  const { status, details } = await firstTry(await site.backup({ policy: 'wrongpath' }));
  expect(status).toBe(99);
  expect(details).toMatch(/not\/there/);
}, 180_000);

test('a wrong filer password says whose, and what to do', async () => {
  const { host: address, port, user } = site.filer;
  const emm = site.bus.client('nbemm');
  await emm.AddNdmpHost({ name: 'filer2', address, port, user, password: 'not it', auth: 'md5' });
  await addPolicy(site.bus, 'wrongpassword', ['/data'], { client: 'filer2' });
  const bprd = site.bus.client('bprd');
  const { jobIds } = await bprd.SubmitBackup({
    ...{ requestId: 'wp', policy: 'wrongpassword', schedule: 'full', client: 'filer2' },
    requester: { user: 'test', host: 'test' },
  });
  const { status, details } = await firstTry(jobIds[0]!);
  expect(status).toBe(99);
  expect(details).toMatch(/filer2/);
  expect(details).toMatch(/tpconfig|password/i);
  expect(details).not.toContain('not it');
}, 180_000);

test('a filer that cannot be reached', async () => {
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port } = closed.address() as { port: number };
  await new Promise((resolve) => closed.close(resolve));
  await site.bus.client('nbemm').AddNdmpHost({
    name: 'gone',
    address: '127.0.0.1',
    port,
    user: 'x',
    password: 'y',
    auth: 'md5',
  });
  await addPolicy(site.bus, 'gone', ['/data'], { client: 'gone' });
  const { jobIds } = await site.bus.client('bprd').SubmitBackup({
    ...{ requestId: 'gone', policy: 'gone', schedule: 'full', client: 'gone' },
    requester: { user: 'test', host: 'test' },
  });
  const { status, details } = await firstTry(jobIds[0]!);
  expect([25, 47, 58]).toContain(status);
  expect(details).toMatch(/gone/);
}, 180_000);

test('no scratch tape: the job ends with 96 and says where it looked', async () => {
  const db = site.bus.client('bpdbm');
  await addPolicy(site.bus, 'nopool', ['/data/other']);
  const { policy } = await db.GetPolicy({ name: 'nopool' });
  await site.bus.client('nbemm').AddPool({ name: 'Empty' });
  await db.UpdatePolicy({ policy: { ...policy, pool: 'Empty' } });
  const { status, details } = await firstTry(await site.backup({ policy: 'nopool' }));
  expect(status).toBe(96);
  expect(details).toMatch(/Empty/);
}, 180_000);
