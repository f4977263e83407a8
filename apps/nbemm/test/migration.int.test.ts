// A database of the release before this one is brought to this one by a start, and nothing in it is lost.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeReaderKey, openCredential } from '@tapestry/contracts';
import { openStore } from '@tapestry/store';
import {
  eventually,
  fakeService,
  startTestBus,
  startTestDaemon,
  startTestPostgres,
  testLog,
} from '@tapestry/testkit';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { migrations } from '../src/adapters/migrations.ts';
import { makeSecretBox, readSealKey } from '../src/adapters/secret-box.ts';
import { nbemm } from '../src/daemon.ts';

const FIRST_RELEASE = ['0001-devices', '0002-media'];

async function fillAsBefore(url: string, sealed: Buffer): Promise<void> {
  const old = Object.entries(migrations).filter(([name]) => FIRST_RELEASE.includes(name));
  const store = await openStore({
    ...{ connection: { url }, schema: 'nbemm', migrations: Object.fromEntries(old), log: testLog },
  });
  const { db } = store;
  await sql`insert into media_servers values ('media1', true, '1', 5)`.execute(db);
  await sql`insert into ndmp_hosts values
    ('filer1', '10.0.0.1', 10001, 'root', 'text', ${sealed})`.execute(db);
  await sql`insert into robots values (0, 'tld', 'media1', 'vtl:/lib', '')`.execute(db);
  await sql`insert into drives (name, index, density, media_server, path, robot_number,
    robot_drive, ndmp_host, up, reason, last_used_ms, errors) values
    ('drive0', 0, 'hcart', 'media1', 'vtl:/lib#0', 0, 1, '', true, '', 7, 2),
    ('onfiler', 1, 'hcart', 'media1', 'nrst0a', 0, 2, 'filer1', false, 'dirty', 0, 0)`.execute(db);
  await sql`insert into storage_units values
    ('unit1', 'Media Manager', 'media1', 'hcart', 0, 'tld', 2, 2048, false, '', 1)`.execute(db);
  await sql`insert into pools values (4, 'Spare', 'all', true)`.execute(db);
  await sql`insert into volumes (media_id, barcode, density, media_type, robot_number, slot, pool,
    assigned_ms, assigned_last_ms, retention_level, status_bits, images, created_ms) values
    ('A00001', 'A00001L8', 'hcart', 'HCART', 0, 3, 'NetBackup', 99, 99, 1, 9, 2, 1)`.execute(db);
  await store.close();
}

test('drives get their path, hosts their credential, and volumes keep what they are', async () => {
  const postgres = await startTestPostgres();
  const bus = await startTestBus();
  const stateDir = mkdtempSync(join(tmpdir(), 'tapestry-nbemm-'));
  try {
    const sealKeyFile = join(stateDir, 'seal.key');
    const box = makeSecretBox(readSealKey(sealKeyFile, true));
    await fillAsBefore(postgres.url(), box.seal('filer1', 'old secret'));
    await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb', {
      CheckGrant: async () => ({ valid: true, mediaServer: 'media1' }),
    });
    const env = { TAPESTRY_DATABASE_URL: postgres.url(), NBEMM_SEAL_KEY_FILE: sealKeyFile };
    const daemon = await startTestDaemon(nbemm, bus, { stateDir, env });
    const cli = (await bus.as({ service: 'cli' })).client('nbemm');
    const { drives, mediaServers } = await eventually('nbemm answers', () => cli.GetDevices({}));
    expect(drives).toMatchObject([
      { drive: { name: 'drive0', path: 'vtl:/lib#0' }, state: 'UP', errors: 2, lastUsedMs: 7n },
      { drive: { name: 'onfiler', ndmpHost: 'filer1' }, state: 'DOWN', reason: 'dirty' },
    ]);
    expect(drives.map(({ paths }) => paths.length)).toEqual([1, 1]);
    expect(mediaServers).toMatchObject([{ name: 'media1', active: true, paused: false }]);
    const { volumes } = await cli.ListVolumes({});
    expect(volumes).toMatchObject([
      {
        ...{ statusBits: 9, images: 2, expirationMs: 0n, volumeGroup: '' },
        volume: { mediaId: 'A00001', assignedMs: 99n, slot: 3 },
      },
    ]);
    expect((await cli.ListStorageUnits({})).units).toMatchObject([
      { label: 'unit1', type: 'Media Manager', maxFragmentMb: 2_048n, path: '' },
    ]);
    const key = makeReaderKey();
    const agent = (await bus.as({ service: 'ndmpagent', host: 'media1' })).client('nbemm');
    const grant = { attempt: { jobId: 1n, try: 1, step: 0 }, grantId: 'g', epoch: 1n };
    const ask = { grant, ndmpHost: 'filer1', publicKey: key.publicKey };
    const answer = await agent.GetNdmpCredential(ask);
    expect(answer).toMatchObject({ address: '10.0.0.1', port: 10_001, auth: 'text' });
    expect(openCredential(answer, key)).toEqual({ user: 'root', password: 'old secret' });
    await daemon.stop();
  } finally {
    await bus.stop();
    await postgres.stop();
    rmSync(stateDir, { recursive: true, force: true });
  }
});
