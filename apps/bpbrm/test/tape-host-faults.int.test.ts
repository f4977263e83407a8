// What may go wrong while another host's mover moves the data: each ends with a status that says so, gives the drive back,
// and the next backup is written behind the last closed fragment.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type MediaServer, startMediaServer, type TapeSide } from './media-server-kit.ts';
import { Runs, writeHugeFile } from './runs.ts';

const MINUTES = 180_000;

describe.each<[string, TapeSide]>([
  ['three-way', 'tape host'],
  ['local', 'filer'],
])('%s', (_name, tape) => {
  let server: MediaServer;
  let runs: Runs;

  beforeAll(async () => {
    server = await startMediaServer({ tape });
    runs = new Runs(server);
    writeFileSync(join(server.data, 'hello.txt'), 'hello');
  }, MINUTES);
  afterAll(() => server?.stop());
  afterEach(() => rmSync(join(server.data, 'huge.bin'), { force: true }));

  /** The drive serves the next backup, at the place where the failed one had begun. */
  async function nextGoesWell(fileNumber: number): Promise<void> {
    await runs.driveIsIdle();
    rmSync(join(server.data, 'huge.bin'), { force: true });
    const next = await runs.backUp();
    expect(next.status).toMatchObject({ code: 0, detail: '' });
    expect(next.image?.fragments[0]?.fileNumber).toBe(fileNumber);
  }

  test('a first backup ends well', async () => {
    expect((await runs.backUp()).status).toMatchObject({ code: 0, detail: '' });
  }, 180_000);

  test.each<['bptm' | 'ndmpagent', number, number]>([
    ['bptm', 82, 4],
    ['ndmpagent', 99, 7],
  ])(
    'killed in the middle: %s',
    async (who, code, fileNumber) => {
      writeHugeFile(server);
      await runs.startHuge();
      await server.kill(who);
      await server.start(who);
      server.thawFiler();
      const { status, image } = await runs.ended();
      expect(status?.code, status?.detail).toBe(code);
      expect(image).toBe(null);
      await nextGoesWell(fileNumber);
    },
    180_000,
  );

  test('cancelled in the middle', async () => {
    writeHugeFile(server);
    await runs.startHuge();
    const { job } = runs;
    const grant = { attempt: { jobId: job, try: 1, step: 0 }, grantId: `g${job}-1` };
    const reason = { code: 150, name: 'cancelled', detail: 'ended by the operator' };
    await server.bpbrm.CancelRun({ grant: { ...grant, epoch: job * 10n + 1n }, reason });
    server.thawFiler();
    expect((await runs.ended()).status?.code).toBe(150);
    await nextGoesWell(10);
  }, 180_000);

  test('the host with the tape is killed in the middle', async () => {
    writeHugeFile(server);
    await runs.startHuge();
    await (tape === 'filer' ? server.killFiler() : server.killTapeHost());
    server.thawFiler();
    await (tape === 'filer' ? server.startFiler() : server.startTapeHost());
    const { status } = await runs.ended();
    expect([83, 99], status?.detail).toContain(status?.code);
    await nextGoesWell(13);
  }, 180_000);
});
