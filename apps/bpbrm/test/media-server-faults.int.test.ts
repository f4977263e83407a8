// Each process of a media server, and the filer, killed while data moves.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { type MediaServer, startMediaServer } from './media-server-kit.ts';
import { HUGE_BYTES, Runs, writeHugeFile } from './runs.ts';

let server: MediaServer;
let runs: Runs;

beforeAll(async () => {
  server = await startMediaServer();
  runs = new Runs(server);
  writeHugeFile(server);
});
afterAll(() => server?.stop());

test.each<[string, () => Promise<void> | void, number]>([
  ['bptm', () => server.kill('bptm'), 82],
  ['ndmpagent', () => server.kill('ndmpagent'), 99],
  ['the filer', () => server.killFiler(), 99],
])(
  'killed in the middle of a backup: %s',
  async (who, strike, code) => {
    await runs.startHuge();
    await strike();
    if (who === 'bptm' || who === 'ndmpagent') await server.start(who);
    else await server.startFiler();
    server.thawFiler();
    const result = await runs.ended();
    expect(result.status?.code).toBe(code);
    expect(result.image).toBe(null);
    await runs.driveIsIdle();
  },
  180_000,
);

test('bpbrm and ltid may die: the run goes on and ends well', async () => {
  await runs.startHuge();
  await Promise.all([server.kill('bpbrm'), server.kill('ltid')]);
  await Promise.all([server.start('bpbrm'), server.start('ltid')]);
  server.thawFiler();
  const result = await runs.ended();
  expect(result.status?.code).toBe(0);
  expect(Number(result.image?.bytes)).toBeGreaterThan(HUGE_BYTES);
  await runs.driveIsIdle();
}, 180_000);
