// The suite of the Library port over an emulated changer behind the whole initiator, and what a changer may do to us.

import type { Library } from '@tapestry/storage';
import { libraryConformance } from '@tapestry/storage/conformance';
import { afterEach, describe, expect, test } from 'vitest';
import { openMediaChanger } from '../src/device/media-changer.ts';
import { IscsiSession } from '../src/net/iscsi-session.ts';
import { EmulatedChanger } from './emulated-changer.ts';
import { sense } from './emulated-tape.ts';
import { startTargets, type TargetServer } from './target-server.ts';

interface ChangerFixture {
  readonly changer: EmulatedChanger;
  readonly server: TargetServer;
  open(): Promise<Library>;
  dispose(): Promise<void>;
}

async function startChanger(barcodes: readonly string[]): Promise<ChangerFixture> {
  const changer = new EmulatedChanger(barcodes);
  const server = await startTargets(() => {
    changer.connect();
    return { device: (command) => changer.execute(command) };
  });
  const libraries: Library[] = [];
  return {
    changer,
    server,
    open: async () => {
      const isid = Buffer.of(0x80, 0, 0, 0, 0, libraries.length);
      const session = new IscsiSession(server.session({ isid }));
      const transport = session.device(0);
      const library = await openMediaChanger({ transport, onClose: () => session.close() });
      libraries.push(library);
      return library;
    },
    dispose: async () => {
      for (const library of libraries) await library.close();
      await server.stop();
    },
  };
}

libraryConformance(
  'iSCSI, emulated changer',
  async (barcodes) => {
    const fixture = await startChanger(barcodes);
    return {
      library: await fixture.open(),
      openDrive: null,
      reopen: () => fixture.open(),
      dispose: () => fixture.dispose(),
    };
  },
  { emulated: false },
);

describe('a media changer', () => {
  const fixtures: ChangerFixture[] = [];
  afterEach(async () => {
    for (const fixture of fixtures.splice(0)) await fixture.dispose();
  });

  async function start(): Promise<ChangerFixture & { library: Library }> {
    const fixture = await startChanger(['A00001L8', 'A00002L8']);
    fixtures.push(fixture);
    return { ...fixture, library: await fixture.open() };
  }

  async function statusOf(promise: Promise<unknown>): Promise<string> {
    return promise.then(
      () => 'done',
      (error: { status?: string }) => error.status ?? String(error),
    );
  }

  test('tells the serial numbers of its drives, or does without', async () => {
    const { library, changer } = await start();
    const serials = async (): Promise<(string | null)[]> =>
      (await library.inventory()).filter(({ type }) => type === 'drive').map((e) => e.driveSerial);
    expect(await serials()).toEqual(['SERIAL500', 'SERIAL501']);
    changer.knowsSerials = false;
    expect(await serials()).toEqual([null, null]);
  });

  test('is read in pieces, all of it', async () => {
    const { library } = await start();
    expect((await library.inventory()).filter(({ type }) => type === 'slot')).toHaveLength(600);
  });

  test('is not asked for a move twice when the answer was lost', async () => {
    for (const isDone of [true, false]) {
      const { library, changer, server } = await start();
      changer.planned.push({ opcode: 0xa5, answer: 'silent', isDone });
      const moving = statusOf(library.move(1000, 500));
      await expect.poll(() => changer.planned.length, { timeout: 60_000 }).toBe(0);
      server.sockets[0]?.destroy();
      expect(await moving).toBe('done');
      const drive = (await library.inventory()).find(({ address }) => address === 500);
      expect(drive).toMatchObject({ barcode: 'A00001L8', sourceAddress: 1000 });
    }
  });

  test('looks again when it was disturbed before a move', async () => {
    const { library, changer } = await start();
    changer.planned.push({ opcode: 0xa5, answer: sense(6, 0x2800) });
    await library.move(1000, 500);
    for (let i = 0; i < 3; i++) changer.planned.push({ opcode: 0xa5, answer: sense(6, 0x2801) });
    expect(await statusOf(library.move(500, 1000))).toBe('robotMissing');
  });

  test.each([
    [0x5302, 'mediaInUse'],
    [0x3b90, 'mediaInUse'],
    [0x3b0d, 'notMountable'],
    [0x3b0e, 'slotEmpty'],
    [0x2101, 'invalidParameter'],
    [0x1501, 'robotDown', 4],
    [0x0403, 'robotDown', 2],
  ])('refuses a move with %i, which means %s', async (code, status, key = 5) => {
    const { library, changer } = await start();
    changer.planned.push({ opcode: 0xa5, answer: sense(Number(key), Number(code)) });
    expect(await statusOf(library.move(1000, 500))).toBe(status);
  });

  test('is waited for while it becomes ready', async () => {
    const { library, changer } = await start();
    changer.planned.push({ opcode: 0xb8, answer: sense(2, 0x0401) });
    expect((await library.inventory()).length).toBe(604);
  });

  test('that cannot be reached is missing', async () => {
    const { library, server } = await start();
    await server.stop();
    expect(await statusOf(library.inventory())).toBe('robotMissing');
    fixtures.pop();
  });
});
