// What a drive behind the initiator does when the device, its owner or the network is in the way.

import type { Drive, DriveOwner } from '@tapestry/storage';
import { afterEach, describe, expect, test } from 'vitest';
import { type EmulatedTape, type EmulatedTapeOptions, sense } from './emulated-tape.ts';
import type { TargetScript } from './scripted-target.ts';
import { startTape, type TapeFixture } from './tape-fixture.ts';

const fixtures: TapeFixture[] = [];

afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.dispose();
});

async function start(
  options: EmulatedTapeOptions = {},
  script: TargetScript = {},
): Promise<TapeFixture> {
  const fixture = await startTape(options, script);
  fixtures.push(fixture);
  return fixture;
}

const owner = (epoch: number): DriveOwner => ({ grantId: `grant-${epoch}`, epoch: BigInt(epoch) });
const block = (text: string): { parts: Buffer[] } => ({ parts: [Buffer.from(text)] });

async function statusOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (error: { status?: string }) => error.status ?? String(error),
  );
}

/** A drive with three blocks written; the tape stands behind them. */
async function written(fixture: TapeFixture): Promise<Drive> {
  const drive = await fixture.open(owner(1));
  await drive.writeBlocks(['one', 'two', 'three'].map(block));
  return drive;
}

describe('a drive', () => {
  test('tells barcode, protection and capacity', async () => {
    const { open } = await start({
      barcode: 'A00001L8',
      worm: true,
      capacityBytes: 16 * 1024 * 1024,
    });
    const drive = await open(owner(1));
    expect(await drive.loadState()).toEqual({
      loaded: true,
      barcode: 'A00001L8',
      writeProtected: false,
      worm: true,
    });
    expect(await drive.capacity()).toEqual({ capacityBytes: 16 * 1024 * 1024, usedBytes: 0 });
    expect(await drive.blockLimits()).toEqual({ minBytes: 1, maxBytes: 8 * 1024 * 1024 });
  });

  test('tells what it wants of its operator', async () => {
    const { open, tape } = await start();
    const drive = await open(owner(1));
    expect(await drive.tapeAlerts?.()).toEqual([]);
    tape.alerts = [4, 20];
    tape.isDirty = true;
    expect(await drive.loadState()).toMatchObject({ loaded: true, cleaningRequired: true });
    expect(await drive.tapeAlerts?.()).toEqual([4, 20]);
    expect(await drive.tapeAlerts?.()).toEqual([]);
    tape.planned.push({ opcode: 0x00, answer: sense(2, 0x3003) });
    expect(await drive.loadState()).toMatchObject({ loaded: false, cleaning: true });
  });

  test('loads what was brought and not loaded, but not what its owner ejected', async () => {
    const { open, tape } = await start();
    tape.needsLoad = true;
    tape.isLoaded = false;
    const drive = await open(owner(1));
    expect(await drive.loadState()).toMatchObject({ loaded: true });
    await drive.unload();
    expect(await drive.loadState()).toMatchObject({ loaded: false });
    expect(await drive.loadState()).toMatchObject({ loaded: false });
  });

  test('is given back also when its last flush fails', async () => {
    const fixture = await start();
    const drive = await written(fixture);
    fixture.tape.planned.push({ opcode: 0x10, answer: sense(3, 0x0c00) });
    expect(await statusOf(drive.close())).toBe('mediaWriteError');
    expect(fixture.tape.isRemovalPrevented).toBe(false);
    await fixture.open(owner(1), 'elsewhere');
  });

  test('holds the cartridge while it is open and lets it go afterwards', async () => {
    const { open, tape } = await start();
    const drive = await open(owner(1));
    await drive.rewind();
    expect(tape.isRemovalPrevented).toBe(true);
    await drive.close();
    expect(tape.isRemovalPrevented).toBe(false);
  });

  test('flushes what was written before it is given back, and before the tape moves', async () => {
    const fixture = await start();
    const drive = await written(fixture);
    const flushes = (): number => fixture.tape.seen.filter((opcode) => opcode === '10').length;
    await drive.rewind();
    await drive.rewind();
    expect(flushes()).toBe(1);
    await drive.writeBlocks([block('x')]);
    await drive.close();
    expect(flushes()).toBe(2);
  });

  test('asks a busy device again', async () => {
    const fixture = await start();
    const drive = await written(fixture);
    fixture.tape.planned.push({ opcode: 0x0a, answer: { status: 0x08 } });
    fixture.tape.planned.push({ opcode: 0x0a, answer: { status: 0x28 } });
    expect(await drive.writeBlocks([block('four')])).toMatchObject({ written: 1 });
    expect(fixture.tape.records).toHaveLength(4);
  });

  test('sends again what the device did not carry out for the sake of some news', async () => {
    const fixture = await start();
    const drive = await written(fixture);
    fixture.tape.planned.push({ opcode: 0x0a, answer: sense(6, 0x2a10) });
    expect(await drive.writeBlocks([block('four')])).toMatchObject({ written: 1 });
    expect(fixture.tape.records.map(String)).toEqual(['one', 'two', 'three', 'four']);
  });

  test('is set up again when somebody else, or a reset, changed its modes', async () => {
    for (const code of [0x2a01, 0x2900]) {
      const fixture = await start();
      const drive = await written(fixture);
      const setUps = (): number => fixture.tape.seen.filter((opcode) => opcode === '1a').length;
      const before = setUps();
      fixture.tape.planned.push({ opcode: 0x0a, answer: sense(6, code) });
      expect(await statusOf(drive.writeBlocks([block('four')]))).toBe('mediaWriteError');
      expect(await drive.position()).toMatchObject({ object: 3 });
      expect(setUps()).toBeGreaterThan(before);
      expect(await drive.writeBlocks([block('four')])).toMatchObject({ written: 1 });
    }
  });

  test('passes a damaged block with an error, wherever the device stopped', async () => {
    for (const [skips, expected] of [
      [0, 'two'],
      [1, 'two'],
    ] as const) {
      const fixture = await start();
      const drive = await written(fixture);
      await drive.rewind();
      await drive.position();
      fixture.tape.planned.push({ opcode: 0x08, answer: sense(3, 0x1100) });
      const into = Buffer.alloc(16);
      if (skips === 1) fixture.tape.at = 0;
      expect(await statusOf(drive.readBlock(into))).toBe('mediaReadError');
      const next = await drive.readBlock(into);
      const bytes = next.kind === 'block' ? next.lengthBytes : 0;
      expect(into.toString('latin1', 0, bytes)).toBe(expected);
    }
  });

  test.each([
    [sense(3, 0x0c00), 'mediaWriteError'],
    [sense(4, 0x4400), 'mediaWriteError'],
    [sense(7, 0x2700), 'writeProtected'],
    [sense(2, 0x0412), 'driveNotReady'],
    [{ status: 0x18 }, 'staleGrant'],
    [{ status: 0x40 }, 'mediaWriteError'],
    [
      { status: 2, sense: Buffer.from('71000300000000000000000c0c000000', 'hex') },
      'mediaWriteError',
    ],
  ])('says what a failed write means: %o', async (answer, status) => {
    const fixture = await start();
    const drive = await written(fixture);
    fixture.tape.planned.push({ opcode: 0x0a, answer });
    expect(await statusOf(drive.writeBlocks([block('four')]))).toBe(status);
  });
});

describe('a position that is lost', () => {
  const disturbances: readonly (readonly [string, (tape: EmulatedTape) => void])[] = [
    ['by a reset', (tape) => tape.planned.push({ opcode: 0x0a, answer: sense(6, 0x2900) })],
    ['by a failed write', (tape) => tape.planned.push({ opcode: 0x0a, answer: sense(3, 0x0c00) })],
    ['by another cartridge', (tape) => tape.exchange([])],
  ];

  test.each(disturbances)('%s stops every call that would go on blindly', async (_, disturb) => {
    const fixture = await start();
    const drive = await written(fixture);
    const before = fixture.tape.records.length;
    disturb(fixture.tape);
    const after = fixture.tape.records.length;
    expect(await statusOf(drive.writeBlocks([block('four')]))).toBe('mediaWriteError');
    expect(await statusOf(drive.writeBlocks([block('four')]))).toBe('mediaPositionError');
    expect(await statusOf(drive.writeFilemarks(1, 'sync'))).toBe('mediaPositionError');
    expect(await statusOf(drive.readBlock(Buffer.alloc(9)))).toBe('mediaPositionError');
    expect(await statusOf(drive.spaceBlocks(1))).toBe('mediaPositionError');
    expect(await statusOf(drive.spaceFilemarks(-1))).toBe('mediaPositionError');
    expect(fixture.tape.records).toHaveLength(Math.min(before, after));
    expect(await drive.position()).toMatchObject({ object: fixture.tape.at });
    expect(await drive.writeBlocks([block('four')])).toMatchObject({ written: 1 });
  });

  test('with the connection is found again by asking, and nothing was written twice', async () => {
    const fixture = await start();
    const drive = await written(fixture);
    fixture.tape.planned.push({ opcode: 0x0a, answer: 'silent' });
    const writing = statusOf(drive.writeBlocks([block('four')]));
    await expect.poll(() => fixture.tape.planned.length, { timeout: 60_000 }).toBe(0);
    fixture.server.sockets[0]?.destroy();
    expect(await writing).toBe('mediaWriteError');
    expect(await statusOf(drive.writeBlocks([block('four')]))).toBe('mediaPositionError');
    expect(await drive.position()).toMatchObject({ object: 3, file: 0, block: 3 });
    expect(await drive.writeBlocks([block('four')])).toMatchObject({ written: 1 });
    expect(fixture.tape.records.map(String)).toEqual(['one', 'two', 'three', 'four']);
  });

  test('between two calls is not taken for the one before', async () => {
    const fixture = await start();
    const drive = await written(fixture);
    fixture.server.sockets[0]?.destroy();
    fixture.tape.at = 1;
    const first = await statusOf(drive.writeBlocks([block('four')]));
    expect(['mediaWriteError', 'mediaPositionError']).toContain(first);
    expect(await statusOf(drive.writeBlocks([block('four')]))).toBe('mediaPositionError');
    expect(fixture.tape.records).toHaveLength(3);
    await drive.locate('endOfData');
    expect(await drive.writeBlocks([block('four')])).toMatchObject({ written: 1 });
  });
});

describe('owners', () => {
  test('a later owner shuts an earlier one out, in every call', async () => {
    const fixture = await start();
    const old = await written(fixture);
    const young = await fixture.open(owner(2));
    expect(await statusOf(old.writeBlocks([block('x')]))).toBe('staleGrant');
    for (const call of [
      () => old.readBlock(Buffer.alloc(9)),
      () => old.writeFilemarks(1, 'sync'),
      () => old.locate('endOfData'),
      () => old.erase(),
      () => old.loadState(),
      () => old.unload(),
      () => old.close(),
    ]) {
      expect(await statusOf(call())).toBe('staleGrant');
    }
    await young.rewind();
    expect(await young.readBlock(Buffer.alloc(9))).toMatchObject({ lengthBytes: 3 });
    expect(fixture.tape.records).toHaveLength(3);
  });

  test('an earlier owner is turned away while a later one has it, and the same one elsewhere', async () => {
    const fixture = await start();
    const first = await fixture.open(owner(5));
    expect(await statusOf(fixture.open(owner(4)))).toBe('staleGrant');
    expect(await statusOf(fixture.open(owner(5), 'elsewhere'))).toBe('mediaInUse');
    await first.close();
    await fixture.open(owner(6));
  });

  test('a reservation of another program is respected, its registration alone is not', async () => {
    const fixture = await start();
    const foreign = (action: number, own: bigint, other: bigint): void => {
      const list = Buffer.alloc(24);
      list.writeBigUInt64BE(own, 0);
      list.writeBigUInt64BE(other, 8);
      const cdb = Buffer.from([0x5f, action, 3, 0, 0, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0]);
      fixture.tape.execute({ lun: 0, cdb, dataOut: list }, 'foreign');
    };
    foreign(6, 0n, 2n ** 64n - 1n);
    const drive = await fixture.open(owner(1));
    await drive.close();
    foreign(1, 2n ** 64n - 1n, 0n);
    expect(await statusOf(fixture.open(owner(2)))).toBe('mediaInUse');
  });

  test('an owner that comes back after a loss has its drive still', async () => {
    const fixture = await start();
    const drive = await written(fixture);
    fixture.server.sockets[0]?.destroy();
    await statusOf(drive.position());
    expect(await drive.position()).toMatchObject({ object: 3 });
    expect(await statusOf(fixture.open(owner(1), 'elsewhere'))).toBe('mediaInUse');
  });

  test('a drive without reservations is opened all the same', async () => {
    const fixture = await start({ persistentReservations: false });
    const drive = await written(fixture);
    expect(await drive.position()).toMatchObject({ object: 3 });
  });
});
