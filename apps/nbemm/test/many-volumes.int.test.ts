// 50,000 volumes: the choice for a write is right among them, follows each change, and lists come in pages.

import { openStore } from '@tapestry/store';
import { testLog } from '@tapestry/testkit';
import { sql } from 'kysely';
import { expect, test } from 'vitest';
import { migrations } from '../src/adapters/migrations.ts';
import { withNbemm } from './fixture.ts';

const world = withNbemm();
const COUNT = 50_000;
const AT_ONCE = 10_000;
const POOLS = 5;

/** As many rows like one that was added properly; volume n was used at second n, every tenth one holds data. */
async function fill(): Promise<void> {
  for (let pool = 0; pool < POOLS; pool += 1) await world.cli.AddPool({ name: `Pool${pool}` });
  const volume = { mediaId: 'BASE01', density: 'hcart', robotNumber: 0, slot: 1 };
  await world.cli.AddVolume({ volume });
  const store = await openStore({
    ...{ connection: { url: world.databaseUrl }, schema: 'nbemm', migrations, log: testLog },
  });
  for (let from = 0; from < COUNT; from += AT_ONCE) {
    await sql`insert into volumes select r.* from volumes v,
      generate_series(${from}::int, ${from + AT_ONCE - 1}::int) n,
      lateral jsonb_populate_record(v, jsonb_build_object(
        'media_id', 'V' || lpad(n::text, 5, '0'), 'slot', n + 1,
        'pool', 'Pool' || n % ${POOLS}::int, 'previous_pool', 'Pool' || n % ${POOLS}::int,
        'last_mount_ms', n * 1000, 'retention_level', 1,
        'assigned_ms', case when n / ${POOLS}::int % 10 = 0 then 1000 else 0 end)) r
      where v.media_id = 'BASE01'`.execute(store.db);
  }
  await sql`insert into changes (at_ms, what) values (1, 'everything')`.execute(store.db);
  await store.close();
}

async function offered(pool: string): Promise<string[]> {
  const request = {
    ...{ attempt: { jobId: 1n, try: 1, step: 0 }, mode: 'DRIVE_MODE_WRITE' as const },
    ...{ storageUnit: 'unit1', pool, retentionLevel: 1 },
  };
  const { choices } = await world.asNbrb.Evaluate({ request });
  return choices[0]!.volumes.map(({ volume }) => volume!.mediaId);
}

test('the right one of 50,000 volumes is chosen, also after each of them changed', async () => {
  await fill();
  // Begun ones first, the least recently used of them before the others.
  expect((await offered('Pool2')).slice(0, 3)).toEqual(['V00002', 'V00052', 'V00102']);
  await world.cli.SetVolumeStatus({ mediaId: 'V00002', action: 'freeze' });
  expect((await offered('Pool2')).slice(0, 2)).toEqual(['V00052', 'V00102']);
  const change = { pool: 'Pool2' };
  await world.cli.ChangeVolumes({ mediaIds: ['V00006'], change, set: ['pool'] });
  await world.asNbrb.DeassignVolume({ mediaId: 'V00052', volumeVersion: 1n });
  expect((await offered('Pool2'))[0]).toBe('V00102');
  expect(await offered('Pool3')).not.toContain('V00102');

  let seen = 0;
  let assigned = 0;
  for (let afterMediaId = ''; ; ) {
    const page = await world.cli.ListVolumes({ afterMediaId });
    seen += page.volumes.length;
    assigned += page.volumes.filter(({ volume }) => volume!.assignedMs > 0n).length;
    if (!page.more) break;
    afterMediaId = page.volumes.at(-1)!.volume!.mediaId;
  }
  expect(seen).toBe(COUNT + 1);
  expect(assigned).toBe(COUNT / 10 - 1);
});
