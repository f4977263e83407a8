// nbemm in this process, on a real bus and a real database, its neighbours played by the test.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus, Client } from '@tapestry/bus';
import type { RunningDaemon } from '@tapestry/runtime';
import {
  eventually,
  type FakeService,
  fakeService,
  startTestBus,
  startTestDaemon,
  startTestPostgres,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, beforeAll } from 'vitest';
import { nbemm } from '../src/daemon.ts';

export interface World {
  bus: TestBus;
  databaseUrl: string;
  daemon: RunningDaemon & { stateDir: string };
  cli: Client<'nbemm'>;
  asNbrb: Client<'nbemm'>;
  asBptm: Client<'nbemm'>;
  asAgent: Client<'nbemm'>;
  asNbrbBus: Bus;
  nbrb: FakeService<'nbrb'>;
  ltid: FakeService<'ltid'>;
  bpdbm: FakeService<'bpdbm'>;
  ndmpagent: FakeService<'ndmpagent'>;
}

/** Call it at the top of a test file. One world for its tests: they name their own things. */
export function withNbemm(): World {
  const world = {} as World;
  const closers: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    const postgres = await startTestPostgres();
    world.bus = await startTestBus({ hosts: ['media1', 'media2', 'media3'] });
    closers.push(
      () => world.bus.stop(),
      () => postgres.stop(),
    );
    world.databaseUrl = postgres.url();
    world.nbrb = await fakeService(await world.bus.as({ service: 'nbrb' }), 'nbrb', {
      CheckGrant: async ({ grant }) => ({
        valid: grant?.grantId === 'good',
        mediaServer: 'media1',
      }),
      Dump: async () => ({}),
    });
    world.bpdbm = await fakeService(await world.bus.as({ service: 'bpdbm' }), 'bpdbm', {
      ListPolicies: async () => ({}),
      CleanUpImages: async () => ({ jobId: 7n }),
    });
    const agent = await world.bus.as({ service: 'ndmpagent', host: 'media1' });
    world.ndmpagent = await fakeService(agent, 'ndmpagent');
    world.ltid = await fakeService(await world.bus.as({ service: 'ltid', host: 'media1' }), 'ltid');
    const stateDir = mkdtempSync(join(tmpdir(), 'tapestry-nbemm-'));
    closers.push(async () => rmSync(stateDir, { recursive: true }));
    world.daemon = await startTestDaemon(nbemm, world.bus, {
      stateDir,
      env: { TAPESTRY_DATABASE_URL: world.databaseUrl },
    });
    closers.unshift(() => world.daemon.stop());
    world.cli = (await world.bus.as({ service: 'cli' })).client('nbemm');
    world.asNbrbBus = await world.bus.as({ service: 'nbrb' });
    world.asNbrb = world.asNbrbBus.client('nbemm');
    world.asBptm = (await world.bus.as({ service: 'bptm', host: 'media1' })).client('nbemm');
    world.asAgent = (await world.bus.as({ service: 'ndmpagent', host: 'media1' })).client('nbemm');
    const bpcd = (await world.bus.as({ service: 'bpcd', host: 'media1' })).client('nbemm');
    await eventually('nbemm answers', async () => {
      await bpcd.RegisterMediaServer({ name: 'media1', version: '1' });
      return true;
    });
    await setUpDevices(world.cli);
  });
  afterAll(async () => {
    for (const close of closers) await close();
  });
  return world;
}

async function setUpDevices(cli: Client<'nbemm'>): Promise<void> {
  const robot = { number: 0, type: 'tld', controlHost: 'media1', path: 'vtl:/lib' };
  await cli.AddRobot({ robot });
  for (const n of [0, 1]) {
    await cli.AddDrive({
      drive: {
        ...{ name: `drive${n}`, index: n, density: 'hcart', mediaServer: 'media1' },
        ...{ path: `vtl:/lib#${n + 1}`, robotNumber: 0, robotDrive: n + 1 },
      },
    });
  }
  await cli.AddStorageUnit({
    unit: { label: 'unit1', mediaServer: 'media1', density: 'hcart', robotNumber: 0, maxDrives: 2 },
  });
}
