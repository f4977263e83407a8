import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { startTestBus, startTestDaemon, type TestBus } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { nbkms } from '../src/daemon.ts';

let bus: TestBus;
let stateDir: string;
beforeAll(async () => {
  bus = await startTestBus();
  stateDir = mkdtempSync(join(tmpdir(), 'tapestry-nbkms-'));
});
afterAll(async () => {
  await bus.stop();
  rmSync(stateDir, { recursive: true });
});

const main = join(import.meta.dirname, '../src/main.ts');
const run = (...args: string[]) =>
  promisify(execFile)(process.execPath, [main, ...args], {
    env: { TAPESTRY_STATE_DIR: stateDir },
  });

test('no start without a store; one is made once by the command, and then it is served', async () => {
  await expect(startTestDaemon(nbkms, bus, { stateDir })).rejects.toThrow(/1250.*createemptydb/);
  const { stdout } = await run('-createemptydb', '-hmkid', 'site one');
  expect(stdout).toContain('KMS_DATA.dat');
  await expect(run('-createemptydb')).rejects.toMatchObject({
    ...{ code: 252, stderr: expect.stringContaining('EXIT STATUS 1262') },
  });
  await expect(run('-createemptydb', '-hmkid', '')).rejects.toMatchObject({ code: 20 });

  const daemon = await startTestDaemon(nbkms, bus, { stateDir });
  const cli = (await bus.as({ service: 'cli' })).client('nbkms');
  expect(await cli.GetInfo({})).toMatchObject({
    ...{ ready: true, storeVersion: 1, cipher: 'AES_256', keyGroups: 0, keys: 0 },
    ...{ hmkId: 'site one', kpkId: 'kpk1', quiesceCalls: 0 },
  });
  expect((await cli.ListKeyGroups({})).groups).toEqual([]);
  await daemon.stop();
});
