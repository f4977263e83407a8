// Local and three-way: the filer's data goes onto its own tape, or onto the tape of another NDMP host, moved by that host.
// No byte of it comes to the media server, which labels, positions, closes fragments and writes the books.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RunResult } from '@tapestry/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  ndmjobUnavailable,
  startNdmjob,
} from '../../../tools/peers/start-ndmjob.ts';
import {
  type MediaServer,
  type MediaServerOptions,
  type OtherFiler,
  startMediaServer,
} from './media-server-kit.ts';
import { Runs } from './runs.ts';

/** Three of them hold the big file. */
const FRAGMENT_BYTES = 1_048_576n;

const NDMJOB: OtherFiler = {
  start: async (root) => {
    const peer = await startNdmjob({ dir: join(root, 'peer') });
    const port = Number(peer.address.slice(peer.address.lastIndexOf(':') + 1));
    return { port, user: NDMJOB_USER, password: NDMJOB_PASSWORD, stop: () => peer.stop() };
  },
};
const device = (root: string): string => join(root, 'peer', 'tape0');
const unavailable = ndmjobUnavailable();
if (unavailable !== undefined) console.warn(`NDMJOB tests are skipped: ${unavailable}`);

interface Case {
  readonly name: string;
  readonly options: MediaServerOptions;
  /** The path of the data as the filer names it. */
  readonly isNdmjob?: boolean;
}

const CASES: readonly Case[] = [
  { name: 'local, ndmpd', options: { tape: 'filer' } },
  { name: 'three-way, ndmpd to ndmpd', options: { tape: 'tape host' } },
  { name: 'local, its own robot', options: { tape: 'filer', robotByNdmp: true } },
  {
    name: 'three-way, ndmpd to NDMJOB',
    options: { tape: 'tape host', tapeHost: NDMJOB, device },
  },
  {
    name: 'three-way, NDMJOB to ndmpd',
    options: { tape: 'tape host', filer: NDMJOB },
    isNdmjob: true,
  },
  { name: 'local, NDMJOB', options: { tape: 'filer', filer: NDMJOB, device }, isNdmjob: true },
];
const cases = CASES.filter(({ name }) => unavailable === undefined || !name.includes('NDMJOB'));

describe.each(cases)('$name', ({ options, isNdmjob = false }) => {
  let server: MediaServer;
  let runs: Runs;
  let image: RunResult['image'];
  const big = Buffer.alloc(3_000_000, 'big file ');

  beforeAll(async () => {
    server = await startMediaServer({ ...options, maxFragmentBytes: FRAGMENT_BYTES });
    runs = new Runs(server, isNdmjob ? server.data : '/data');
    mkdirSync(join(server.data, 'sub'));
    writeFileSync(join(server.data, 'hello.txt'), 'hello');
    writeFileSync(join(server.data, 'sub', 'big.bin'), big);
  }, 180_000);
  afterAll(() => server?.stop());

  test('a backup is written in fragments by the mover, its file list goes to the catalog', async () => {
    const result = await runs.backUp();
    expect(result.status).toMatchObject({ code: 0, detail: '' });
    image = result.image;
    const fragments = image!.fragments;
    expect(fragments.map(({ number, fileNumber }) => [number, fileNumber])).toEqual([
      [1, 1],
      [2, 4],
      [3, 7],
    ]);
    expect(fragments.map(({ streamBeginBytes }) => streamBeginBytes)).toEqual([
      0n,
      FRAGMENT_BYTES,
      2n * FRAGMENT_BYTES,
    ]);
    expect(fragments.every(({ layout }) => layout === 'FRAGMENT_LAYOUT_MOVER')).toBe(true);
    expect(fragments.at(-1)?.streamEndBytes).toBe(image?.bytes);
    expect(server.fileLists.has(Buffer.from(image!.fileList!.sha256).toString('hex'))).toBe(true);
    const { append } = server.nbemm.requests('RecordFragment').at(-1)!;
    expect(append?.fileNumber).toBe(10);
    await runs.driveIsIdle();
  }, 180_000);

  test('what was saved comes back, byte for byte', async () => {
    rmSync(join(server.data, 'sub'), { recursive: true });
    writeFileSync(join(server.data, 'hello.txt'), 'changed');
    const result = await runs.restore(image, ['hello.txt', 'sub/big.bin']);
    expect(result.status).toMatchObject({ code: 0, detail: '' });
    expect(readFileSync(join(server.data, 'hello.txt'), 'utf8')).toBe('hello');
    expect(readFileSync(join(server.data, 'sub', 'big.bin')).equals(big)).toBe(true);
    await runs.driveIsIdle();
  }, 180_000);

  test('the next image is appended behind the first, and both stay readable', async () => {
    writeFileSync(join(server.data, 'hello.txt'), 'second');
    const second = await runs.backUp();
    expect(second.status).toMatchObject({ code: 0, detail: '' });
    expect(second.image?.fragments[0]?.fileNumber).toBe(10);
    for (const [from, text] of [
      [image, 'hello'],
      [second.image, 'second'],
    ] as const) {
      const result = await runs.restore(from, ['hello.txt']);
      expect(result.status).toMatchObject({ code: 0, detail: '' });
      expect(readFileSync(join(server.data, 'hello.txt'), 'utf8')).toBe(text);
    }
    await runs.driveIsIdle();
  }, 180_000);
});
