// An image upon five small volumes that a filer's mover writes: its own data, then that of another filer.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Filer, startFiler } from '../../demo/filer.ts';
import { addPolicy, type Site, startSite } from './site.ts';
import { CAPACITY_BYTES, spanAndComeBack, writeLargeTree } from './spanning-kit.ts';

let site: Site;
let second: Filer;
let source: string;
let restored: string;

beforeAll(async () => {
  site = await startSite({
    ...{ filerHasDrive: true, drives: 1, cartridges: 10, capacityBytes: CAPACITY_BYTES },
    env: { nbpem: { NBPEM_TRIES_MAX: '1' } },
  });
  writeLargeTree(site.source);
  source = join(site.dir, 'second-data');
  restored = join(site.dir, 'second-restored');
  writeLargeTree(source);
  mkdirSync(restored);
  const exports = { data: source, restore: restored };
  second = await startFiler({ dir: join(site.dir, 'second'), exports });
  const { host: address, port, user, password } = second;
  const emm = site.bus.client('nbemm');
  await emm.AddNdmpHost({ name: 'filer2', address, port, user, password, auth: 'md5' });
  await addPolicy(site.bus, 'second', ['/data'], { client: 'filer2' });
});

afterAll(async () => {
  await second?.stop();
  await site?.stop();
});

test('local: the filer goes on from tape to tape, and its image comes back whole and by the file', async () => {
  const { source: data, restored: back } = site;
  await spanAndComeBack({ site, client: 'filer1', policy: 'nas', source: data, restored: back });
}, 300_000);

test('three-way: so does another filer through it', async () => {
  await spanAndComeBack({ site, client: 'filer2', policy: 'second', source, restored });
  const { volumes } = await site.bus.client('nbemm').ListVolumes({ assignedOnly: true });
  expect(volumes.length).toBeGreaterThan(5);
}, 300_000);
