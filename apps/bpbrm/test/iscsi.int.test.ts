// A media server whose drive and robot stand behind a target that is not ours: backups, restores, and the target killed.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunResult } from '@tapestry/contracts';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  startTgt,
  TGT_LUN,
  TGT_TARGET,
  type Tgt,
  tgtUnavailable,
} from '../../../tools/peers/start-tgt.ts';
import { type MediaServer, startMediaServer } from './media-server-kit.ts';
import { Runs, writeHugeFile } from './runs.ts';

const unavailable = tgtUnavailable();
const TAPES = { cartridgeMib: 2_000, keepsTapes: true };
/** The target asks every second whether we live, and drops who did not answer twice. */
const IMPATIENT = { nop_interval: '1', nop_count: '2' };
const SILENCE_MS = 6_000;

if (unavailable !== undefined) {
  test('tgt', ({ skip }) => skip(`tgt: ${unavailable}`));
}

describe.runIf(unavailable === undefined)('a drive behind tgt', () => {
  let server: MediaServer;
  let runs: Runs;
  let tgt: Tgt;
  let dir: string;
  let image: RunResult['image'];

  const startTarget = async (port = 0): Promise<void> => {
    const barcodes = ['A00001L8', 'A00002L8'];
    tgt = await startTgt({ dir, port, barcodes, ...TAPES, parameters: IMPATIENT });
  };

  beforeAll(async () => {
    dir = mkdtempSync(join(tmpdir(), 'media-server-tgt-'));
    await startTarget();
    const pathOf = (lun: number): string => `iscsi://127.0.0.1:${tgt.port}/${TGT_TARGET}/${lun}`;
    const devices = { drive: pathOf(TGT_LUN.drives[0]), robot: pathOf(TGT_LUN.changer) };
    server = await startMediaServer({ devices });
    runs = new Runs(server);
    mkdirSync(join(server.data, 'sub'));
    writeFileSync(join(server.data, 'hello.txt'), 'hello');
    writeFileSync(join(server.data, 'sub', 'big.bin'), Buffer.alloc(3_000_000, 7));
  });
  afterAll(async () => {
    await server?.stop();
    await tgt?.stop();
    rmSync(dir, { recursive: true, force: true });
  });

  test('takes a backup onto a blank tape, and a second one behind it', async () => {
    const first = await runs.backUp();
    expect(first.status).toMatchObject({ code: 0 });
    await runs.driveIsIdle();
    const second = await runs.backUp();
    expect(second.status).toMatchObject({ code: 0 });
    image = second.image;
    expect(image?.fragments[0]?.fileNumber).toBe(2);
    await runs.driveIsIdle();
  });

  test('gives what was saved back, byte for byte', async () => {
    rmSync(join(server.data, 'sub'), { recursive: true });
    writeFileSync(join(server.data, 'hello.txt'), 'changed');
    const result = await runs.restore(image, ['/data/hello.txt', '/data/sub']);
    expect(result.status).toMatchObject({ code: 0 });
    expect(readFileSync(join(server.data, 'hello.txt'), 'utf8')).toBe('hello');
    const big = readFileSync(join(server.data, 'sub', 'big.bin'));
    expect(big.equals(Buffer.alloc(3_000_000, 7))).toBe(true);
    await runs.driveIsIdle();
  });

  test('its target killed while data moves: 84, no fragment, and no volume blamed; then the next one appends', async () => {
    writeHugeFile(server);
    const recorded = server.nbemm.requests('RecordFragment').length;
    await runs.startHuge();
    await tgt.stop();
    server.thawFiler();
    const result = await runs.ended();
    expect(result.status, result.status?.detail).toMatchObject({ code: 84 });
    expect(result.status?.detail).toMatch(/iSCSI/);
    expect(result.image).toBe(null);
    await runs.driveIsIdle();
    expect(server.nbemm.requests('RecordFragment')).toHaveLength(recorded);
    const events = server.nbemm.requests('RecordMediaEvent').map(({ event }) => event);
    expect(events).not.toContain('MEDIA_EVENT_WRITE_ERROR');
    rmSync(join(server.data, 'huge.bin'));
    await startTarget(tgt.port);
    const next = await runs.backUp();
    expect(next.status, next.status?.detail).toMatchObject({ code: 0 });
    expect(next.image?.fragments[0]?.fileNumber).toBe(3);
    await runs.driveIsIdle();
    const restored = await runs.restore(image, ['/data/hello.txt']);
    expect(restored.status).toMatchObject({ code: 0 });
  });

  test('a filer that says nothing for a while does not cost the session; a target that goes while it is read blames no volume', async () => {
    writeHugeFile(server);
    await runs.startHuge();
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
    server.thawFiler();
    const result = await runs.ended();
    expect(result.status, result.status?.detail).toMatchObject({ code: 0 });
    await runs.driveIsIdle();
    await runs.startRestoreOfHuge(result.image);
    await new Promise((resolve) => setTimeout(resolve, SILENCE_MS));
    server.thawFiler();
    const restored = await runs.ended();
    expect(restored.status, restored.status?.detail).toMatchObject({ code: 0 });
    await runs.startRestoreOfHuge(result.image);
    await tgt.stop();
    server.thawFiler();
    const broken = await runs.ended();
    // On its way to the next block, or in it.
    expect([85, 86], broken.status?.detail).toContain(broken.status?.code);
    await runs.driveIsIdle();
    const events = server.nbemm.requests('RecordMediaEvent').map(({ event }) => event);
    for (const blame of ['READ_ERROR', 'POSITION_ERROR', 'WRONG_LABEL']) {
      expect(events).not.toContain(`MEDIA_EVENT_${blame}`);
    }
    await startTarget(tgt.port);
    rmSync(join(server.data, 'huge.bin'));
  });

  test('bptm killed while data moves: 82, and the next one has the drive', async () => {
    writeHugeFile(server);
    await runs.startHuge();
    await server.kill('bptm');
    await server.start('bptm');
    server.thawFiler();
    expect((await runs.ended()).status).toMatchObject({ code: 82 });
    await runs.driveIsIdle();
    rmSync(join(server.data, 'huge.bin'));
    expect((await runs.backUp()).status).toMatchObject({ code: 0 });
  });
});
