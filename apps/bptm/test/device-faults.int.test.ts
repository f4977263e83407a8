// What may be wrong with a drive or a volume when a stream meets it: each ends in its own status, and with the event by which
// nbemm counts it against volume and drive.

import { type FaultKind, openVirtualDrive, openVirtualLibrary } from '@tapestry/storage';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { DrivePool } from '../src/adapters/drive-pool.ts';
import type { Order } from '../src/drive-process/messages.ts';
import {
  type Library,
  makeLibrary,
  makePool,
  randomData,
  readOrder,
  volume,
  watch,
  writeImage,
  writeOrder,
} from './drive-kit.ts';

const pool: DrivePool = makePool();
let library: Library;

beforeEach(async () => {
  library = await makeLibrary();
});
afterEach(() => library.remove());
afterAll(() => pool.close());

async function addFault(kind: FaultKind): Promise<void> {
  const opened = await openVirtualLibrary(library.dir);
  await opened.addFault({ place: 'drive 0', kind });
  await opened.close();
}

/** Status, blame and TapeAlert flags of a stream that never gets to its data. */
async function outcome(order: Order) {
  const drive = watch(await pool.take());
  drive.process.send({ type: 'start', order });
  await drive.exited;
  const failure = drive.reports.find((each) => each.type === 'failed')?.failure;
  return {
    status: failure?.status,
    detail: failure?.detail,
    events: drive.reports.flatMap((each) => (each.type === 'mediaEvent' ? [each.event] : [])),
    alerts: drive.reports.flatMap((each) => (each.type === 'tapeAlerts' ? each.flags : [])),
  };
}

const later = { owner: { grantId: 'g9', epoch: 9n } };

test.each<[FaultKind, string, string, number[]]>([
  ['writeFails', 'mediaWriteError', 'MEDIA_EVENT_WRITE_ERROR', [6]],
  ['loadFails', 'mediaOpenError', 'MEDIA_EVENT_LOAD_ERROR', [55]],
  ['notReady', 'driveNotReady', 'MEDIA_EVENT_LOAD_ERROR', []],
])('a label on a drive that has %s: %s, %s', async (kind, status, event, alerts) => {
  await addFault(kind);
  const met = await outcome(writeOrder(library));
  expect(met).toMatchObject({ status, events: [event], alerts });
});

test.each<[FaultKind, string, string]>([
  ['readFails', 'mediaReadError', 'MEDIA_EVENT_READ_ERROR'],
  ['positionFails', 'mediaPositionError', 'MEDIA_EVENT_POSITION_ERROR'],
])('an append or a restore on a drive that has %s: %s, %s', async (kind, status, event) => {
  const [closed] = await writeImage(pool, writeOrder(library), randomData(100_000));
  await addFault(kind);
  const append = writeOrder(library, { ...later, volume: volume(closed!.append) });
  expect(await outcome(append)).toMatchObject({ status, events: [event] });
  const read = readOrder(library, [closed!.fragment], { owner: { grantId: 'g10', epoch: 10n } });
  expect(await outcome(read)).toMatchObject({ status, events: [event] });
});

test('another label, a protected volume, a cleaning cartridge: each is told for what it is', async () => {
  const [closed] = await writeImage(pool, writeOrder(library), randomData(1_000));
  const other = { ...volume(closed!.append), mediaId: 'A00007' };
  expect(await outcome(writeOrder(library, { ...later, volume: other }))).toMatchObject({
    ...{ status: 'wrongTape', events: ['MEDIA_EVENT_WRONG_LABEL'] },
  });
  const opened = await openVirtualLibrary(library.dir);
  await opened.protectCartridge('A00001L8', true);
  const append = volume(closed!.append);
  const owner = { grantId: 'g11', epoch: 11n };
  expect(await outcome(writeOrder(library, { owner, volume: append }))).toMatchObject({
    ...{ status: 'writeProtected', events: ['MEDIA_EVENT_WRITE_PROTECTED'] },
  });
  const elements = await opened.inventory();
  const drive = elements.find(({ type }) => type === 'drive')!.address;
  await opened.move(drive, elements.find(({ type, full }) => type === 'slot' && !full)!.address);
  const cleaner = { barcode: 'CLN001L1', capacityBytes: 0, kind: 'cleaning' } as const;
  await opened.move(await opened.addCartridge(cleaner), drive);
  await opened.close();
  const met = await outcome(writeOrder(library, { owner: { grantId: 'g12', epoch: 12n } }));
  expect(met).toMatchObject({ status: 'wrongTape', events: ['MEDIA_EVENT_WRONG_LABEL'] });
  expect(met.detail).toContain('a cleaning cartridge is in the drive, not A00001');
});

test('a drive that somebody else has open is 97, and nobody is blamed', async () => {
  const owner = { grantId: 'g9', epoch: 9n };
  const held = await openVirtualDrive({ libraryDir: library.dir, driveIndex: 0, owner });
  const met = await outcome(writeOrder(library, later));
  expect(met).toMatchObject({ status: 'mediaInUse', events: [] });
  await held.close();
});
