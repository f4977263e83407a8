import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus } from '@tapestry/bus';
import { codec, type Init, type RunSpec, signStart } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { fakeService, startTestBus, startTestDaemon, type TestBus } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bpcd } from '../src/daemon.ts';

const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const folder = mkdtempSync(join(tmpdir(), 'bpcd-'));
const keyFile = join(folder, 'ticket.pem');
let bus: TestBus;
let nbjm: Bus;
let daemon: Awaited<ReturnType<typeof startTestDaemon>>;
let bpbrm: Awaited<ReturnType<typeof fakeService<'bpbrm'>>>;

beforeAll(async () => {
  writeFileSync(keyFile, publicKey.export({ type: 'spki', format: 'pem' }));
  bus = await startTestBus({ hosts: ['media1'] });
  nbjm = await bus.as({ service: 'nbjm' });
  daemon = await startTestDaemon(bpcd, bus, { env: { BPCD_TICKET_PUBLIC_KEY_FILE: keyFile } });
  bpbrm = await fakeService(await bus.as({ service: 'bpbrm', host: 'media1' }), 'bpbrm', {
    StartRun: async () => ({}),
  });
});

afterAll(async () => {
  await daemon.stop();
  await bus.stop();
  rmSync(folder, { recursive: true });
});

function ticket(mediaServer: string, ageMs = 0) {
  const run: Init<RunSpec> = {
    grant: {
      grantId: 'g1',
      epoch: 1n,
      attempt: { jobId: 4n, try: 1, step: 0 },
      mediaServer,
      drive: { name: 'drive0' },
      volume: { mediaId: 'A00001' },
    },
    job: { type: 'JOB_TYPE_BACKUP', backup: { path: '/export' } },
    image: { backupId: 'filer_1' },
  };
  const issuedMs = BigInt(Date.now() - ageMs);
  const runSpec = codec('RunSpec').encode(run);
  return signStart(privateKey, { runSpec, issuedMs, expiresMs: issuedMs + 60_000n });
}

test('a start with a good ticket reaches the host’s own bpbrm', async () => {
  await nbjm.client('bpcd', 'media1').Start(ticket('media1'));
  const { run } = await bpbrm.waitFor('StartRun');
  expect(run?.image?.backupId).toBe('filer_1');
});

test.each([
  ['a ticket for another host', () => ticket('media2')],
  ['an old ticket', () => ticket('media1', 3_600_000)],
  ['a changed run', () => ({ ...ticket('media1'), runSpec: ticket('media2').runSpec })],
])('%s starts nothing', async (_what, make) => {
  const before = bpbrm.requests('StartRun').length;
  const start = nbjm.client('bpcd', 'media1').Start(make());
  await expect(start).rejects.toMatchObject({ status: 'accessNotAllowed' });
  expect(bpbrm.requests('StartRun')).toHaveLength(before);
});

test('the refusal of bpbrm is the answer', async () => {
  bpbrm.answer({
    StartRun: async () => {
      throw new StatusError('staleGrant', 'an older try');
    },
  });
  const start = nbjm.client('bpcd', 'media1').Start(ticket('media1'));
  await expect(start).rejects.toMatchObject({ status: 'staleGrant' });
});

test('the host is made known to an nbemm that starts late', async () => {
  let refused = false;
  const nbemm = await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', {
    RegisterMediaServer: async () => {
      if (refused) return {};
      refused = true;
      throw new StatusError('databaseError', 'not ready');
    },
  });
  const request = await nbemm.waitFor('RegisterMediaServer', { count: 2 });
  expect(request.name).toBe('media1');
});
