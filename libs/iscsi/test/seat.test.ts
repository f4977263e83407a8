// Drives opened by their path: one seat a host and unit, what is left of who had it before, and who may let a cartridge go.

import type { Drive, DriveOwner } from '@tapestry/storage';
import { afterEach, expect, test } from 'vitest';
import {
  awaitIscsiDrive,
  describeIscsiDevice,
  ejectFromIscsiDrive,
  iscsiPath,
  iscsiPlace,
  openIscsiDrive,
} from '../src/index.ts';
import { type EmulatedTapeOptions, sense } from './emulated-tape.ts';
import { TARGET_NAME } from './scripted-target.ts';
import { startTape, type TapeFixture } from './tape-fixture.ts';

const PLACE = iscsiPlace('media1', '', '/no/folder');
const TIMEOUT_MS = 60_000;
const fixtures: TapeFixture[] = [];

afterEach(async () => {
  for (const fixture of fixtures.splice(0)) await fixture.dispose();
});

async function start(options: EmulatedTapeOptions = {}): Promise<TapeFixture & { path: string }> {
  const fixture = await startTape(options);
  fixtures.push(fixture);
  const portal = { host: '127.0.0.1', port: fixture.server.port };
  return { ...fixture, path: iscsiPath({ portal, targetName: TARGET_NAME, lun: 0 }) };
}

const owner = (epoch: number): DriveOwner => ({ grantId: `grant-${epoch}`, epoch: BigInt(epoch) });
const block = (text: string): { parts: Buffer[] } => ({ parts: [Buffer.from(text)] });

async function statusOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'done',
    (error: { status?: string }) => error.status ?? String(error),
  );
}

/** A holder that dies without a word: its reservation stays. */
async function dies({ server }: TapeFixture, drive: Drive): Promise<void> {
  server.sockets.at(-1)?.destroy();
  await statusOf(drive.position());
}

test('a drive whose connection was lost is lost, and nobody is put out of the seat for it', async () => {
  const fixture = await start();
  const drive = await openIscsiDrive(fixture.path, owner(1), PLACE);
  await drive.writeBlocks([block('one')]);
  await dies(fixture, drive);
  expect(await statusOf(drive.writeBlocks([block('two')]))).toBe('mediaWriteError');
  expect(await statusOf(drive.writeFilemarks(1, 'sync'))).toBe('mediaWriteError');
  expect(await statusOf(drive.readBlock(Buffer.alloc(9)))).toBe('mediaReadError');
  expect(await statusOf(drive.locate('endOfData'))).toBe('mediaPositionError');
  await statusOf(drive.close());
  expect(fixture.server.sockets).toHaveLength(1);
  expect(fixture.tape.records).toHaveLength(1);
});

test('the cartridge of a holder that died is let go, and the next one has the drive', async () => {
  const fixture = await start();
  const { path, tape } = fixture;
  await dies(fixture, await openIscsiDrive(path, owner(7), PLACE));
  await ejectFromIscsiDrive(path, null, PLACE, TIMEOUT_MS);
  expect(tape.isLoaded).toBe(false);
  tape.isLoaded = true;
  const next = await openIscsiDrive(path, owner(8), PLACE);
  expect(await next.loadState()).toMatchObject({ loaded: true });
  await next.close();
});

test('what another host holds is let go for a later grant alone', async () => {
  const { path, tape, open } = await start();
  const other = await open(owner(3), 'elsewhere');
  await other.writeBlocks([block('one')]);
  expect(await statusOf(ejectFromIscsiDrive(path, null, PLACE, TIMEOUT_MS))).toBe('mediaInUse');
  expect(await statusOf(ejectFromIscsiDrive(path, owner(2), PLACE, TIMEOUT_MS))).toBe('staleGrant');
  expect(tape.isLoaded).toBe(true);
  await ejectFromIscsiDrive(path, owner(4), PLACE, TIMEOUT_MS);
  expect(tape.isLoaded).toBe(false);
  expect(await statusOf(other.writeBlocks([block('two')]))).toBe('staleGrant');
});

test('an empty drive has nothing to let go, and one that does not unload is told', async () => {
  const { path, tape } = await start();
  tape.isLoaded = false;
  await ejectFromIscsiDrive(path, null, PLACE, TIMEOUT_MS);
  expect(tape.seen).not.toContain('1b');
  tape.isLoaded = true;
  tape.planned.push({ opcode: 0x1b, answer: sense(4, 0x5300) });
  const refused = ejectFromIscsiDrive(path, null, PLACE, TIMEOUT_MS);
  expect(await statusOf(refused)).toBe('mediaPositionError');
  expect(tape.isLoaded).toBe(true);
});

test('a drive is waited for until it is loaded, and no longer than its caller will', async () => {
  const { path, tape } = await start();
  tape.isLoaded = false;
  setTimeout(() => tape.exchange([]), 300);
  const never = new AbortController().signal;
  const { kind } = await awaitIscsiDrive(path, owner(1), PLACE, never);
  expect(kind).toBe('tape');
  tape.isLoaded = false;
  const soon = AbortSignal.timeout(200);
  expect(await statusOf(awaitIscsiDrive(path, owner(2), PLACE, soon))).toBe('driveNotReady');
  tape.isLoaded = true;
  tape.planned.push({ opcode: 0x00, answer: 'silent' });
  const late = AbortSignal.timeout(200);
  expect(await statusOf(awaitIscsiDrive(path, owner(3), PLACE, late))).toBe('driveNotReady');
});

test('a look at a device disturbs nobody', async () => {
  const { path } = await start();
  const drive = await openIscsiDrive(path, owner(1), PLACE);
  await drive.writeBlocks([block('one')]);
  expect(await describeIscsiDevice(path, PLACE)).toMatchObject({ lun: 0, kind: 'tape' });
  expect(await drive.writeBlocks([block('two')])).toMatchObject({ written: 1 });
  await drive.close();
  expect(await statusOf(describeIscsiDevice('iscsi://127.0.0.1:1/iqn.x/0', PLACE))).toBe(
    'cannotConnect',
  );
});
