// NDMJOB as the tape host of an image that goes on upon several tapes: its mover pauses at the end of a simulated one.
// Its robot has no barcodes to tell tapes by, so the test exchanges them, while the drive is closed for it.

import { existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  ndmjobUnavailable,
  startNdmjob,
} from '../../../tools/peers/start-ndmjob.ts';
import { type MediaServer, type OtherFiler, startMediaServer } from './media-server-kit.ts';
import { Runs } from './runs.ts';

const NDMJOB: OtherFiler = {
  start: async (root) => {
    const peer = await startNdmjob({ dir: join(root, 'peer'), tapeLimitBytes: 6_000_000 });
    const port = Number(peer.address.slice(peer.address.lastIndexOf(':') + 1));
    return { port, user: NDMJOB_USER, password: NDMJOB_PASSWORD, stop: () => peer.stop() };
  },
};
const unavailable = ndmjobUnavailable();
if (unavailable !== undefined) console.warn(`NDMJOB tests are skipped: ${unavailable}`);

let server: MediaServer;
let runs: Runs;
let inDrive = 'A00001';
const data = Buffer.alloc(20_000_000, 'what goes upon several volumes ');

function exchange(mediaId: string): void {
  const tape = (name: string): string => join(server.root, 'peer', name);
  renameSync(tape('tape0'), tape(inDrive));
  if (existsSync(tape(mediaId))) renameSync(tape(mediaId), tape('tape0'));
  else writeFileSync(tape('tape0'), '');
  inDrive = mediaId;
}

beforeAll(async () => {
  if (unavailable !== undefined) return;
  server = await startMediaServer({
    ...{ tape: 'tape host', tapeHost: NDMJOB, cartridges: 5 },
    device: (root) => join(root, 'peer', 'tape0'),
  });
  runs = new Runs(server);
  writeFileSync(join(server.data, 'large.bin'), data);
  server.nbrb.answer({
    NextVolume: async (request, call) => {
      const reply = await server.nextVolume(request, call);
      const mediaId = reply.volume?.mediaId ?? '';
      if (mediaId !== '' && mediaId !== inDrive) exchange(mediaId);
      return reply;
    },
  });
}, 180_000);
afterAll(() => server?.stop());

test.skipIf(unavailable !== undefined)(
  'three-way: the mover of NDMJOB goes on upon the next tape, writing and reading',
  async () => {
    const { status, image } = await runs.backUp();
    expect(status?.code, status?.detail).toBe(0);
    const media = image!.fragments.map(({ mediaId }) => mediaId);
    expect(media).toEqual(['A00001', 'A00002', 'A00003', 'A00004']);
    expect(image!.fragments.at(-1)?.streamEndBytes).toBe(image!.bytes);
    await runs.driveIsIdle();
    rmSync(join(server.data, 'large.bin'));
    exchange('A00001');
    const restored = await runs.restore(image, ['large.bin']);
    expect(restored.status?.code, restored.status?.detail).toBe(0);
    expect(readFileSync(join(server.data, 'large.bin')).equals(data)).toBe(true);
    await runs.driveIsIdle();
  },
  180_000,
);
