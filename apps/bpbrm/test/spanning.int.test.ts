// An image that outgrows its volume, on a real media server: neighbours that fail while volumes are exchanged, and what
// ends it when there is no other volume.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { eventually } from '@tapestry/testkit';
import { afterEach, expect, test } from 'vitest';
import { type MediaServer, type MediaServerOptions, startMediaServer } from './media-server-kit.ts';
import { Runs } from './runs.ts';

let server: MediaServer;
let runs: Runs;

afterEach(() => server?.stop());

const CAPACITY_BYTES = 8_000_000;
const data = Buffer.alloc(20_000_000, 'what goes upon several volumes ');

async function start(options: MediaServerOptions): Promise<void> {
  server = await startMediaServer({ capacityBytes: CAPACITY_BYTES, ...options });
  runs = new Runs(server);
  writeFileSync(join(server.data, 'large.bin'), data);
  mkdirSync(join(server.data, 'small'));
  writeFileSync(join(server.data, 'small', 'file'), 'small');
}

/** The run waits for another volume. */
function asksForVolume(count: number): Promise<unknown> {
  return server.nbrb.waitFor('NextVolume', { count });
}

test('nbrb, ltid and bpbrm may be away while volumes are exchanged: the image goes on, and comes back', async () => {
  await start({ cartridges: 5 });
  server.nbrb.answer({
    NextVolume: async () => {
      throw new StatusError('databaseError', 'not ready');
    },
  });
  await runs.startBackup();
  await asksForVolume(2);
  await Promise.all([server.kill('bpbrm'), server.kill('ltid')]);
  await Promise.all([server.start('bpbrm'), server.start('ltid')]);
  server.nbrb.answer({ NextVolume: server.nextVolume });
  const { status, image } = await runs.ended();
  expect(status?.code, status?.detail).toBe(0);
  const media = image!.fragments.map(({ mediaId }) => mediaId);
  expect(media).toEqual(['A00001', 'A00002', 'A00003', 'A00004']);
  expect(image!.fragments.at(-1)?.streamEndBytes).toBe(image!.bytes);
  await runs.driveIsIdle();

  rmSync(join(server.data, 'large.bin'));
  const restored = await runs.restore(image, ['/data/large.bin']);
  expect(restored.status?.code, restored.status?.detail).toBe(0);
  expect(readFileSync(join(server.data, 'large.bin')).equals(data)).toBe(true);
  await runs.driveIsIdle();
}, 180_000);

test.each<[string, MediaServerOptions]>([
  ['local', { tape: 'filer' }],
  ['local, its own robot', { tape: 'filer', robotByNdmp: true }],
  ['three-way', { tape: 'tape host' }],
])(
  '%s: a mover goes on upon the next volume, writing and reading',
  async (_name, options) => {
    await start({ cartridges: 5, ...options });
    const { status, image } = await runs.backUp();
    expect(status?.code, status?.detail).toBe(0);
    const media = image!.fragments.map(({ mediaId }) => mediaId);
    expect(media).toEqual(['A00001', 'A00002', 'A00003', 'A00004']);
    expect(image!.fragments.every(({ fileNumber }) => fileNumber === 1)).toBe(true);
    expect(image!.fragments.at(-1)?.streamEndBytes).toBe(image!.bytes);
    await runs.driveIsIdle();
    rmSync(join(server.data, 'large.bin'));
    const restored = await runs.restore(image, ['large.bin']);
    expect(restored.status?.code, restored.status?.detail).toBe(0);
    expect(readFileSync(join(server.data, 'large.bin')).equals(data)).toBe(true);
    await runs.driveIsIdle();
    // The next image finds the volume where the last one ended, which is begun, or full.
    const small = await runs.backUp('/data/small');
    expect(small.status?.code, small.status?.detail).toBe(0);
  },
  180_000,
);

test.each<[string, MediaServerOptions, ('bptm' | 'ndmpagent')[]]>([
  ['bptm', {}, ['bptm']],
  ['a mover', { tape: 'tape host' }, ['ndmpagent', 'bptm']],
])(
  '%s without another volume: 96 after a while, 150 when cancelled; and what writes may die',
  async (_name, options, killed) => {
    const bptmEnv = { BPTM_NEXT_VOLUME_TIMEOUT_MS: '10000' };
    await start({ cartridges: 1, bptmEnv, ...options });
    await runs.startBackup();
    const late = await runs.ended();
    expect(late.status).toMatchObject({ code: 96 });
    expect(late.status?.detail).toMatch(/none is left/);
    expect(late.image).toBe(null);
    await runs.driveIsIdle();
    // What was written stays on record: the next image begins behind it.
    expect(server.nbemm.requests('RecordFragment')).toHaveLength(1);

    await waits();
    const grant = {
      ...{ attempt: { jobId: runs.job, try: 1, step: 0 }, grantId: `g${runs.job}-1` },
      epoch: runs.job * 10n + 1n,
    };
    const reason = { code: 150, name: 'cancelled', detail: 'ended by the operator' };
    await server.bpbrm.CancelRun({ grant, reason });
    expect((await runs.ended()).status?.code).toBe(150);
    await runs.driveIsIdle();

    for (const who of killed) {
      await waits();
      await server.kill(who);
      await server.start(who);
      const { status, image } = await runs.ended();
      expect([82, 83, 99], status?.detail).toContain(status?.code);
      expect(image).toBe(null);
      await runs.driveIsIdle();
    }
    await nothingMoreIsAsked();
  },
  180_000,
);

/** A backup that waits for another volume. */
async function waits(): Promise<void> {
  const asked = server.nbrb.requests('NextVolume').length;
  await runs.startBackup();
  await asksForVolume(asked + 1);
}

function nothingMoreIsAsked(): Promise<unknown> {
  return eventually('nothing more is asked for', async () => {
    const before = server.nbrb.requests('NextVolume').length;
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    return server.nbrb.requests('NextVolume').length === before ? true : undefined;
  });
}
