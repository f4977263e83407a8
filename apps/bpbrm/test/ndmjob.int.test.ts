// The same media server against an NDMP server that is not ours: NDMJOB. What only we agree on would fail here.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { RestoreEntry, RunResult } from '@tapestry/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  ndmjobUnavailable,
  startNdmjob,
} from '../../../tools/peers/start-ndmjob.ts';
import { type MediaServer, type OtherFiler, startMediaServer } from './media-server-kit.ts';

const UNKNOWN = 0xffff_ffff_ffff_ffffn;
const NDMJOB: OtherFiler = {
  start: async (root) => {
    const peer = await startNdmjob({ dir: join(root, 'peer') });
    const port = Number(peer.address.slice(peer.address.lastIndexOf(':') + 1));
    return { port, user: NDMJOB_USER, password: NDMJOB_PASSWORD, stop: () => peer.stop() };
  },
};
const unavailable = ndmjobUnavailable();
if (unavailable !== undefined) console.warn(`NDMJOB tests are skipped: ${unavailable}`);

describe.skipIf(unavailable !== undefined)('with NDMJOB as the filer', () => {
  let server: MediaServer;
  let image: RunResult['image'];

  beforeAll(async () => {
    server = await startMediaServer({ filer: NDMJOB });
    mkdirSync(join(server.data, 'sub'));
    writeFileSync(join(server.data, 'hello.txt'), 'hello');
    writeFileSync(join(server.data, 'sub', 'big.bin'), Buffer.alloc(3_000_000, 7));
  }, 180_000);
  afterAll(() => server?.stop());

  test('a backup ends well and its fragment holds what the filer sent', async () => {
    await server.startRun(1n, {
      job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: server.data } },
      image: { backupId: 'filer_1', level: 0 },
    });
    const result = await server.ended(1n);
    expect(result.status).toMatchObject({ code: 0 });
    image = result.image;
    expect(image?.butype).toBe('tar');
    expect(image?.fragments[0]?.streamEndBytes).toBe(image?.bytes);
  }, 180_000);

  test.each([
    ['in one pass', false],
    ['by direct access', true],
  ])(
    'what was saved comes back %s',
    async (_how, direct) => {
      rmSync(join(server.data, 'sub'), { recursive: true });
      writeFileSync(join(server.data, 'hello.txt'), 'changed');
      const tar = { hello: UNKNOWN, big: UNKNOWN };
      if (direct) Object.assign(tar, await offsets(image!));
      const entry = (path: string, fhInfo: bigint): Partial<RestoreEntry> => ({
        originalPath: Buffer.from(path),
        destinationPath: Buffer.from(path),
        fhInfo,
      });
      const { backupId, fragments, env, butype, bytes } = image!;
      const path = server.data;
      const entries = [
        entry(join(path, 'hello.txt'), tar.hello),
        entry(join(path, 'sub', 'big.bin'), tar.big),
      ];
      const step = { backupId, fragments, env, butype, imageBytes: bytes, path, entries };
      const steps = [{ ...step, directAccess: direct, expectedFiles: 2n }];
      const job = direct ? 3n : 2n;
      await server.startRun(job, {
        job: { type: 'JOB_TYPE_RESTORE', client: 'filer', restore: { destClient: 'filer', steps } },
      });
      const result = await server.ended(job);
      expect(result.status).toMatchObject({ code: 0, detail: '' });
      if (direct) expect(Number(result.restore?.bytes)).toBeLessThanOrEqual(Number(bytes));
      expect(readFileSync(join(path, 'hello.txt'), 'utf8')).toBe('hello');
      expect(readFileSync(join(path, 'sub', 'big.bin')).length).toBe(3_000_000);
    },
    180_000,
  );

  /** Where the members lie, from the file list that was delivered. */
  async function offsets(saved: NonNullable<RunResult['image']>) {
    const list = server.fileLists.get(Buffer.from(saved.fileList!.sha256).toString('hex'))!;
    const file = join(server.root, 'list.parquet');
    writeFileSync(file, list);
    const { FileListReader } = await import('@tapestry/catalog');
    const lists = new FileListReader({ tempDir: join(server.root, 'query') });
    const paths = ['hello.txt', 'sub/big.bin'].map((name) => join(server.data, name));
    const found = await lists.lookup([{ id: 'i', file }], paths);
    await lists.close();
    const at = (name: string): bigint =>
      found.find(({ path }) => path === join(server.data, name))?.fhInfo ?? UNKNOWN;
    return { hello: at('hello.txt'), big: at('sub/big.bin') };
  }
});
