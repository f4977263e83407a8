// What an emulated library does when a fault sits in it, and what a cleaning cartridge does: the same in every one, so
// that those who are tried with one can rely on the others. A part of `libraryConformance`.

import { expect, test } from 'vitest';
import type { Drive } from '../drive.ts';
import type { Fault } from '../faults.ts';
import { TAPE_ALERT } from '../tape-alert.ts';
import { block, expectStatus, kinds, owner, readBytes } from './drive-conformance.ts';
import { find, type LibraryFixture, type MakeLibrary } from './library-fixture.ts';

/** A fixture with a tape of two blocks in drive 0, opened; undefined where faults cannot be put in. */
async function withDrive(make: MakeLibrary) {
  const fixture = await make();
  const { library, openDrive, faults } = fixture;
  if (!openDrive || !faults) return undefined;
  const slot = await find(library, 'slot', 0);
  const bay = await find(library, 'drive', 0);
  await library.move(slot.address, bay.address);
  const drive = await openDrive(0, owner(1));
  await drive.writeBlocks([block(100, 1), block(100, 2)]);
  await drive.rewind();
  const barcode = 'A00001L8';
  return { ...fixture, drive, slot, bay, barcode, add: (fault: Fault) => faults.add(fault) };
}

async function alerts(drive: Drive): Promise<readonly number[]> {
  return (await drive.tapeAlerts?.()) ?? [];
}

export function robotFaults(make: MakeLibrary): void {
  test('a jam moves nothing, and once or for good as was asked', async ({ skip }) => {
    const { library, faults } = await make();
    if (!faults) return skip();
    const from = (await find(library, 'slot', 0)).address;
    const to = (await find(library, 'drive', 0)).address;
    await faults.add({ place: 'robot', kind: 'jam', times: 2 });
    const before = await library.inventory();
    await expectStatus(library.move(from, to), 'robotDown');
    await expectStatus(library.move(from, to), 'robotDown');
    expect(await library.inventory()).toEqual(before);
    await library.move(from, to);
    await faults.add({ place: 'robot', kind: 'jam' });
    for (let i = 0; i < 3; i++) await expectStatus(library.move(to, from), 'robotDown');
    await faults.clear();
    await library.move(to, from);
  });

  test('a robot that jams behind its move made it all the same', async ({ skip }) => {
    const { library, faults } = await make();
    if (!faults) return skip();
    const from = await find(library, 'slot', 0);
    const to = await find(library, 'slot', 2);
    await faults.add({ place: 'robot', kind: 'jamBehindMove', times: 1, after: 1 });
    await library.move(from.address, to.address);
    await expectStatus(library.move(to.address, from.address), 'robotDown');
    expect(await find(library, 'slot', 0)).toMatchObject({ barcode: from.barcode });
  });

  test('a slow robot makes its move in the end, and not before', async ({ skip }) => {
    const { library, reopen, faults } = await make();
    if (!faults) return skip();
    const from = (await find(library, 'slot', 0)).address;
    await faults.add({ place: 'robot', kind: 'slow', delayMs: 50, times: 1 });
    let made = false;
    const move = library.move(from, from + 2).then(() => {
      made = true;
    });
    expect(await find(await reopen(), 'slot', 0)).toMatchObject({ full: true });
    expect(made).toBe(false);
    await move;
    expect(await find(library, 'slot', 2)).toMatchObject({ full: true });
  });

  test('behind an open door nothing can be asked or moved', async ({ skip }) => {
    const { library, reopen, faults } = await make();
    if (!faults) return skip();
    const from = (await find(library, 'slot', 0)).address;
    await faults.add({ place: 'robot', kind: 'doorOpen' });
    await expectStatus(library.move(from, from + 2), 'robotDown');
    await expectStatus(library.inventory(), 'robotDown');
    await expectStatus((await reopen()).rescan(), 'robotDown');
    await faults.clear();
    await library.move(from, from + 2);
  });

  test('an inventory may be wrong: a full element that looks empty, an empty one that looks full', async ({
    skip,
  }) => {
    const { library, faults } = await make();
    if (!faults) return skip();
    const full = (await find(library, 'slot', 0)).address;
    const other = (await find(library, 'slot', 1)).address;
    const empty = (await find(library, 'slot', 2)).address;
    await faults.add({ place: `element ${full}`, kind: 'looksEmpty' });
    await faults.add({ place: `element ${empty}`, kind: 'looksFull' });
    await faults.add({ place: 'cartridge A00002L8', kind: 'unreadableBarcode' });
    expect(await find(library, 'slot', 0)).toMatchObject({ full: false, barcode: null });
    expect(await find(library, 'slot', 1)).toMatchObject({ full: true, barcode: null });
    expect(await find(library, 'slot', 2)).toMatchObject({ full: true, barcode: null });
    await expectStatus(library.move(other, full), 'notMountable');
    await expectStatus(library.move(empty, other), 'slotEmpty');
  });
}

export function driveFaults(make: MakeLibrary): void {
  test('a drive that is not ready becomes it', async ({ skip }) => {
    const ready = await withDrive(make);
    if (!ready) return skip();
    await ready.add({ place: 'drive 0', kind: 'notReady', times: 2 });
    expect(await ready.drive.loadState()).toMatchObject({ loaded: false, barcode: ready.barcode });
    await expectStatus(ready.drive.rewind(), 'driveNotReady');
    expect(await ready.drive.loadState()).toMatchObject({ loaded: true });
    expect(await kinds(ready.drive)).toEqual(['block', 'block', 'endOfData']);
  });

  test('failures of reading, writing, positioning and unloading come with their status and flag', async ({
    skip,
  }) => {
    const ready = await withDrive(make);
    if (!ready) return skip();
    const { drive, add } = ready;
    await add({ place: 'drive 0', kind: 'readFails', times: 1 });
    await expectStatus(drive.readBlock(Buffer.alloc(200)), 'mediaReadError');
    // The damaged block was passed.
    expect((await readBytes(drive))[0]).toBe((2 * 31) & 0xff);
    await add({ place: `cartridge ${ready.barcode}`, kind: 'writeFails', times: 1 });
    await expectStatus(drive.writeBlocks([block(10, 1)]), 'mediaWriteError');
    await add({ place: 'drive 0', kind: 'positionFails', times: 2 });
    await expectStatus(drive.rewind(), 'mediaPositionError');
    await expectStatus(drive.locate('endOfData'), 'mediaPositionError');
    await add({ place: 'drive 0', kind: 'unloadFails', times: 1 });
    await expectStatus(drive.unload(), 'mediaCloseError');
    expect(await drive.loadState()).toMatchObject({ loaded: true });
    const wanted = [TAPE_ALERT.readFailure, TAPE_ALERT.writeFailure];
    if (drive.tapeAlerts) expect(await alerts(drive)).toEqual(wanted);
    expect(await alerts(drive)).toEqual([]);
    await drive.rewind();
    expect(await kinds(drive)).toEqual(['block', 'block', 'endOfData']);
    await drive.unload();
  });

  test('a fault of a cartridge goes with it, one of a drive stays', async ({ skip }) => {
    const ready = await withDrive(make);
    if (!ready) return skip();
    const { library, openDrive, drive, bay, barcode } = ready;
    await drive.unload();
    const second = await find(library, 'drive', 1);
    await library.move(bay.address, second.address);
    await ready.add({ place: `cartridge ${barcode}`, kind: 'readFails' });
    await ready.add({ place: 'drive 0', kind: 'writeFails' });
    const other = await openDrive!(1, owner(1));
    await expectStatus(other.readBlock(Buffer.alloc(200)), 'mediaReadError');
    expect(await other.writeBlocks([block(10, 1)])).toMatchObject({ written: 1 });
  });

  test('a cartridge that cannot be loaded says so in every call', async ({ skip }) => {
    const { library, openDrive, faults } = await make();
    if (!openDrive || !faults) return skip();
    await faults.add({ place: 'cartridge A00001L8', kind: 'loadFails' });
    const slot = await find(library, 'slot', 0);
    const bay = await find(library, 'drive', 0);
    await library.move(slot.address, bay.address);
    const drive = await openDrive(0, owner(1));
    await expectStatus(drive.rewind(), 'mediaOpenError');
    await expectStatus(drive.readBlock(Buffer.alloc(10)), 'mediaOpenError');
    if (drive.tapeAlerts) expect(await alerts(drive)).toContain(TAPE_ALERT.loadingFailure);
    await drive.close();
    await library.move(bay.address, slot.address);
  });
}

/** Cleans drive 0; answers what the drive says while the cartridge is in it. */
async function clean(fixture: LibraryFixture, drive: Drive, from: number) {
  const { library } = fixture;
  const bay = await find(library, 'drive', 0);
  await library.move(from, bay.address);
  const state = await drive.loadState();
  await expectStatus(drive.readBlock(Buffer.alloc(10)), 'driveNotReady');
  await library.move(bay.address, from);
  return state;
}

export function cleaning(make: MakeLibrary): void {
  test('a cleaning cartridge cleans a drive that asks for it, as often as it can', async ({
    skip,
  }) => {
    const fixture = await make({ barcode: 'CLN001L1', cleanings: 1 });
    const { library, openDrive, faults } = fixture;
    const cartridge = (await library.inventory()).find(({ barcode }) => barcode === 'CLN001L1');
    if (!cartridge || !openDrive || !faults) return skip();
    expect(cartridge).toMatchObject({ full: true, medium: 'cleaning' });
    const drive = await openDrive(0, owner(1));
    expect(await drive.loadState()).not.toMatchObject({ cleaningRequired: true });
    await faults.add({ place: 'drive 0', kind: 'cleaningRequired' });
    expect(await drive.loadState()).toMatchObject({ cleaningRequired: true, loaded: false });
    if (drive.tapeAlerts) expect(await alerts(drive)).toEqual([TAPE_ALERT.cleanNow]);
    expect(await clean(fixture, drive, cartridge.address)).toMatchObject({
      ...{ loaded: false, cleaning: true, barcode: 'CLN001L1' },
    });
    expect(await drive.loadState()).not.toMatchObject({ cleaningRequired: true });
    if (drive.tapeAlerts) expect(await alerts(drive)).toEqual([TAPE_ALERT.cleaningMedia]);
    await faults.add({ place: 'drive 0', kind: 'cleaningRequired' });
    await clean(fixture, drive, cartridge.address);
    expect(await drive.loadState()).toMatchObject({ cleaningRequired: true });
    if (drive.tapeAlerts) expect(await alerts(drive)).toContain(TAPE_ALERT.expiredCleaningMedia);
  });
}
