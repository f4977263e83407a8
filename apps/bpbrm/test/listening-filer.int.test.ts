// A filer that is set to listen: bptm connects to it, or must not, and a run that fails for that leaves an idle drive.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MediaServer, startMediaServer } from './media-server-kit.ts';
import { Runs } from './runs.ts';

let server: MediaServer;
let runs: Runs;

beforeAll(async () => {
  server = await startMediaServer({ filers: { hosts: { filer: { dataConnection: 'listen' } } } });
  runs = new Runs(server);
  writeFileSync(join(server.data, 'hello.txt'), 'hello');
});
afterAll(() => server?.stop());

const filerAt = (address: string): void =>
  server.nbemm.answer({ ListNdmpHosts: async () => ({ hosts: [{ name: 'filer', address }] }) });

test('what is not the address of the NDMP host is not connected to: 46, an idle drive, and the next run is well', async () => {
  filerAt('192.0.2.77');
  const { status } = await runs.backUp();
  expect(status).toMatchObject({ code: 46, context: { reason: 'filerUnreachable' } });
  expect(status?.detail).toMatch(
    /^filer listens .* at 127\.0\.0\.1 port \d+, which is no address of the NDMP host \(192\.0\.2\.77\).*BPTM_EXTRA_PEERS/,
  );
  await runs.driveIsIdle();

  filerAt('127.0.0.1');
  const { status: good, image } = await runs.backUp();
  expect(good).toMatchObject({ code: 0 });
  await runs.driveIsIdle();
  rmSync(join(server.data, 'hello.txt'));
  expect((await runs.restore(image, ['/data/hello.txt'])).status).toMatchObject({ code: 0 });
  await runs.driveIsIdle();
});
