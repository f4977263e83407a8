// A drive process that labels: what it finds on the tape decides, and what it may not overwrite stays as it is.

import { openVirtualDrive, openVirtualLibrary, readVolumeLabel } from '@tapestry/storage';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import type { DrivePool } from '../src/adapters/drive-pool.ts';
import type { FromDrive, LabelOrder } from '../src/drive-process/messages.ts';
import {
  type Library,
  labelOrder,
  makeLibrary,
  makePool,
  randomData,
  volume,
  watch,
  writeImage,
  writeOrder,
} from './drive-kit.ts';

const pool: DrivePool = makePool();
let library: Library;
let epoch = 10n;

beforeEach(async () => {
  library = await makeLibrary();
});
afterEach(() => library.remove());
afterAll(() => pool.close());

async function label(more: Partial<LabelOrder> = {}): Promise<FromDrive> {
  epoch += 1n;
  const owner = { grantId: `g${epoch}`, epoch };
  const drive = watch(await pool.take());
  drive.process.send({ type: 'start', order: labelOrder(library, { owner, ...more }) });
  await drive.exited;
  return drive.reports.find(({ type }) => type === 'finished' || type === 'failed')!;
}

async function onTape<T>(
  work: (drive: Awaited<ReturnType<typeof openVirtualDrive>>) => Promise<T>,
) {
  epoch += 1n;
  const owner = { grantId: `g${epoch}`, epoch };
  const drive = await openVirtualDrive({ libraryDir: library.dir, driveIndex: 0, owner });
  try {
    return await work(drive);
  } finally {
    await drive.close();
  }
}

const failure = (status: string) => ({ type: 'failed', failure: { status } });

test('a blank tape gets its label; the same label is written again', async () => {
  expect(await label()).toMatchObject({ type: 'finished' });
  const found = await onTape(readVolumeLabel);
  expect(found).toMatchObject({ kind: 'ours', label: { mediaId: 'A00001', pool: 'NetBackup' } });
  expect(await label()).toMatchObject({ type: 'finished' });
});

test('a foreign tape is overwritten with -o alone, and erased first when that is asked for', async () => {
  await onTape(async (drive) => {
    await drive.writeBlocks([{ parts: [Buffer.alloc(2_000, 'data')] }]);
    await drive.writeFilemarks(5, 'sync');
  });
  expect(await label({ erase: 'short' })).toMatchObject(failure('cannotOverwriteMedia'));
  expect(await onTape(readVolumeLabel)).toMatchObject({ kind: 'foreign' });
  expect(await label({ erase: 'long', overwrite: true })).toMatchObject({ type: 'finished' });
  const files = await onTape(async (drive) => {
    await drive.locate('endOfData');
    return (await drive.position()).file;
  });
  expect(files).toBe(1);
});

test('the label of another volume is kept, with -o too when it holds images', async () => {
  const other = { ...volume(), mediaId: 'A00002', barcode: '' };
  await writeImage(pool, writeOrder(library, { volume: other }), randomData(1_000));
  expect(await label()).toMatchObject(failure('wrongTape'));
  const kept = { overwrite: true, kept: ['A00002'] };
  expect(await label(kept)).toMatchObject(failure('cannotOverwriteMedia'));
  expect(await onTape(readVolumeLabel)).toMatchObject({ label: { mediaId: 'A00002' } });
  expect(await label({ overwrite: true })).toMatchObject({ type: 'finished' });
});

test('a write-protected tape is refused, an unreadable one can be labelled with -o', async () => {
  const opened = await openVirtualLibrary(library.dir);
  const fails = { place: 'cartridge A00001L8', kind: 'readFails', times: 1 } as const;
  await opened.addFault(fails);
  expect(await label()).toMatchObject(failure('mediaReadError'));
  await opened.addFault(fails);
  expect(await label({ overwrite: true })).toMatchObject({ type: 'finished' });
  await opened.move(256, 1024).catch(() => undefined);
  await opened.protectCartridge('A00001L8', true);
  await opened.move(1024, 256).catch(() => undefined);
  await opened.close();
  expect(await label()).toMatchObject(failure('writeProtected'));
});
