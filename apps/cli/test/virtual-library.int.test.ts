// vtl from the first cartridge to the exported one: what it prints, what it finds, and how it fails.

import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  FIRST_ADDRESS,
  openFileDisk,
  openVirtualDrive,
  openVirtualLibrary,
  writeVolumeLabel,
} from '@tapestry/storage';
import { asWrites, sampleFragment } from '@tapestry/storage/conformance';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';

const IMAGE = { backupId: 'filer1_1700000000', copy: 1 };

let shell: FakedShell;
let library: string;
beforeAll(async () => {
  shell = await startFakedShell([]);
});
afterAll(() => shell.stop());
let number = 0;
beforeEach(() => {
  number += 1;
  library = join(shell.dir, `library${number}`);
});

function run(line: string, options = {}) {
  return shell.run(line.replaceAll('LIB', library), { cwd: shell.dir, ...options });
}

/** Label, one closed fragment, and the beginning of another, on the cartridge in the first slot. */
async function fillFirst(): Promise<void> {
  const opened = await openVirtualLibrary(library);
  await opened.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  const owner = { grantId: 'g', epoch: 1n };
  const drive = await openVirtualDrive({ libraryDir: library, driveIndex: 0, owner });
  await writeVolumeLabel(drive, { mediaId: 'TAP001', assignedMs: 1n, pool: 'NetBackup' });
  await drive.writeBlocks(asWrites(sampleFragment(IMAGE, 1, 9)));
  await drive.writeFilemarks(1, 'sync');
  await drive.writeBlocks(asWrites(sampleFragment(IMAGE, 2, 9)).slice(0, 4));
  await drive.close();
  await opened.move(FIRST_ADDRESS.drive, FIRST_ADDRESS.slot);
  await opened.close();
}

test('a library is made once, with mail slots and cleaning cartridges, and shown', async () => {
  const line =
    'vtl create LIB -drives 1 -slots 4 -cartridges 2 -capacity 4m -prefix ab -mailslots 2 -cleaning 1';
  const made = await run(line);
  expect(made.status).toBe(0);
  expect(made.out).toContain(`vtl:${library}#0`);
  expect((await run(line)).status).toBe(226);
  const { out } = await run('vtl list LIB');
  expect(out).toMatch(/slot 1 +1024 +AB0001 +- +data +0 bytes +4\.0 MiB/);
  expect(out).toMatch(/slot 3 +1026 +CLN001 +- +cleaning .*50 cleanings left/);
  expect(out).toMatch(/import\/export 2 +769 +-/);
  expect((await run('vtl list LIBnosuch')).status).toBe(2059);
});

test('new cartridges come in by the mail slots, write-once ones too, until the library is full', async () => {
  await run('vtl create LIB -slots 2 -cartridges 1 -capacity 4m');
  expect((await run('vtl load LIB -capacity 4m -worm')).out).toBe('TAP002 in element 768\n');
  expect((await run('vtl add LIB -cleaning 1')).out).toBe('CLN001 in element 1025\n');
  expect((await run('vtl list LIB')).out).toMatch(/768 +TAP002 +- +worm/);
  expect((await run('vtl load LIB')).status).toBe(164);
  expect((await run('vtl export LIB -to mail')).out).toMatch(/^TAP002 is now .*mail\/TAP002\n$/);
  expect((await run('vtl export LIB -to mail')).status).toBe(227);
});

test('a cartridge leaves for a folder and comes into another library with all that is on it', async () => {
  await run('vtl create LIB -slots 2 -cartridges 2 -capacity 4m');
  await fillFirst();
  const before = (await run('vtl dump LIB TAP001')).out;
  expect((await run('vtl export LIB TAP001 -to out')).out).toContain('out/TAP001');
  expect((await run('vtl list LIB')).out).not.toContain('TAP001');
  expect((await run('vtl export LIB TAP001 -to out')).status).toBe(227);
  const dumped = (await run('vtl dump out/TAP001')).out;
  expect(dumped.split('\n').slice(1)).toEqual(before.split('\n').slice(1));
  await run('vtl create LIB2 -slots 1 -cartridges 1 -prefix NEW -capacity 4m');
  expect((await run('vtl load LIB2 out/TAP001')).out).toBe('TAP001 in element 768\n');
  expect((await run('vtl dump LIB2 TAP001')).out).toBe(before);
  expect((await run('vtl load LIB2 out/TAP001')).status).toBe(226);
  expect((await run('vtl load LIB2 out/nothing')).status).toBe(83);
  expect(readdirSync(join(`${library}2`, 'cartridges'))).toEqual(['NEW001', 'TAP001']);
  rmSync(join(shell.dir, 'out'), { recursive: true });
});

test('dump shows label, fragments and blocks in words', async () => {
  await run('vtl create LIB -slots 1 -cartridges 1 -capacity 4m');
  await fillFirst();
  const { out } = await run('vtl dump LIB TAP001');
  expect(out).toContain('volume TAP001, pool NetBackup, assigned 1970-01-01T00:00:00.001Z');
  expect(out).toMatch(/file 1 +4-11 +data, 4016 bytes from stream byte 0, and 7 more like it/);
  expect(out).toContain('trailer: 9 blocks up to stream byte 36144; the image ends here');
  expect(out).toContain('the tape ends within a fragment that was never closed (!)');
  expect((await run('vtl dump LIB TAP001 -blocks')).out).toMatch(/file 1 +5 +data, 4016 bytes/);
  expect((await run('vtl dump LIB')).status).toBe(0);
  expect((await run('vtl dump LIB TAP009')).status).toBe(227);
});

test('check reads everything, says what is damaged and where, and answers 85', async () => {
  await run('vtl create LIB -slots 2 -cartridges 2 -capacity 4m');
  await fillFirst();
  const good = await run('vtl check LIB', { isScreen: true });
  expect(good.status).toBe(0);
  expect(good.out).toContain('TAP001: good, 2 filemarks, 17 blocks');
  expect(good.error).toMatch(/\rTAP001: \d+ %/);
  const segment = join(library, 'cartridges', 'TAP001', 'seg-00000000.dat');
  const bytes = readFileSync(segment);
  bytes[8000] = (bytes[8000] ?? 0) ^ 1;
  writeFileSync(segment, bytes);
  const bad = await run('vtl check LIB');
  expect(bad.status).toBe(85);
  expect(bad.out).toContain('TAP001: file 1 object 5: its checksum does not match');
  expect(bad.out).toContain('TAP001: DAMAGED');
  expect(bad.out).toContain('TAP002: good');
  expect((await run('vtl dump LIB TAP001')).out).toMatch(/5 +its checksum does not match DAMAGED/);
  writeFileSync(segment, bytes.subarray(0, 3000));
  const lost = await run('vtl check LIB TAP001');
  expect(lost.status).toBe(85);
  expect(lost.out).toMatch(/were acknowledged/);
  rmSync(join(library, 'cartridges', 'TAP001', 'cartridge.json'));
  expect((await run('vtl check LIB')).status).toBe(85);
});

test('a cartridge in use is not checked, which is status 1', async () => {
  await run('vtl create LIB -slots 2 -cartridges 2 -capacity 4m');
  const opened = await openVirtualLibrary(library);
  await opened.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  const owner = { grantId: 'g', epoch: 1n };
  const drive = await openVirtualDrive({ libraryDir: library, driveIndex: 0, owner });
  const { status, out } = await run('vtl check LIB');
  expect({ status, out }).toEqual({
    ...{ status: 1, out: expect.stringContaining('TAP001: in use, not checked\nTAP002: good') },
  });
  expect((await run('vtl protect LIB TAP001')).status).toBe(97);
  expect((await run('vtl export LIB TAP001 -to out')).status).toBe(97);
  expect((await run('vtl list LIB')).out).toMatch(/TAP001 .*in use/);
  await drive.close();
  expect((await run('vtl check LIB TAP001')).status).toBe(0);
  await opened.close();
});

test('a cartridge is protected against writing, and released', async () => {
  await run('vtl create LIB -slots 1 -cartridges 1 -capacity 4m');
  expect((await run('vtl protect LIB TAP001')).status).toBe(0);
  expect((await run('vtl list LIB')).out).toMatch(/TAP001 .*write-protected/);
  await expect(fillFirst()).rejects.toMatchObject({ status: 'writeProtected' });
  const inDrive = await openVirtualLibrary(library);
  await inDrive.move(FIRST_ADDRESS.drive, FIRST_ADDRESS.slot, {
    fence: { grantId: 'g', epoch: 2n },
  });
  await inDrive.close();
  expect((await run('vtl unprotect LIB TAP001')).status).toBe(0);
  expect((await run('vtl list LIB')).out).not.toContain('write-protected');
  expect((await run('vtl protect LIB TAP009')).status).toBe(227);
});

test('what cannot be asked for is refused before anything is made', async () => {
  for (const [line, status] of [
    ['vtl create LIB -slots 1 -cartridges 2', 144],
    ['vtl create LIB -capacity much', 20],
    ['vtl create LIB -capacity 1k', 20],
    ['vtl create LIB -drives 0', 20],
    ['vtl create LIB -mailslots 999', 20],
    ['vtl create LIB -prefix TOOLONGX', 144],
    ['vtl create LIB extra', 144],
    ['vtl export LIB', 144],
    ['vtl export LIB -to out', 2059],
    ['vtl protect LIB', 144],
    ['vtl load LIB somewhere -cartridges 1', 144],
  ] as const) {
    const { status: found, out } = await run(line);
    expect({ line, found, out }).toEqual({ line, found: status, out: '' });
  }
  expect(existsSync(library)).toBe(false);
  writeFileSync(join(shell.dir, 'file'), '');
  expect((await run('vtl create file/library')).status).toBe(104);
  expect((await run('vtl list file')).status).toBe(2059);
});

test('on a full disk vtl says 129, and leaves what was there as it was', async ({ skip }) => {
  await run('vtl create LIB -slots 2 -cartridges 2 -capacity 4m');
  await fillFirst();
  const small = join(shell.dir, 'small');
  mkdirSync(small);
  const main = join(import.meta.dirname, '../src/main.ts');
  const script = `
    mount -t tmpfs -o size=600k none "$1" || exit 99
    cd "$1"
    vtl() { "$NODE" "$MAIN" vtl "$@"; echo "vtl $1: $?"; }
    vtl create library -slots 3 -cartridges 1 -capacity 4m
    head -c 700000 /dev/zero > filler 2>/dev/null
    vtl create other -slots 3 -cartridges 1 -capacity 4m
    vtl load library
    vtl export "$2" TAP001 -to .
    rm filler
    vtl export "$2" TAP001 -to .
    vtl check TAP001
    vtl list library
    vtl check library
    vtl load library`;
  const { status, stdout } = spawnSync(
    'unshare',
    ['-Urm', 'sh', '-c', script, 'sh', small, library],
    {
      encoding: 'utf8',
      env: { PATH: process.env.PATH, NODE: process.execPath, MAIN: main },
    },
  );
  if (status === 99 || status === null || stdout === '')
    return skip('mounting is not permitted here');
  expect(stdout.match(/^vtl \w+: \d+$/gm)).toEqual([
    'vtl create: 0',
    'vtl create: 129',
    'vtl load: 129',
    'vtl export: 129',
    'vtl export: 0',
    'vtl check: 0',
    'vtl list: 0',
    'vtl check: 0',
    'vtl load: 0',
  ]);
});

test('a folder becomes a disk storage unit once', async () => {
  const { status, out } = await run('vtl disk LIB');
  expect([status, out]).toEqual([
    0,
    expect.stringContaining(`bpstuadd -label NAME -path ${library}`),
  ]);
  const disk = await openFileDisk({ dir: library });
  expect(await disk.list()).toEqual([]);
  await disk.close();
  expect((await run('vtl disk LIB')).status).toBe(226);
});

test('drives raise TapeAlert flags, and devices fail, on order', async () => {
  await run('vtl create LIB -slots 2 -cartridges 1 -capacity 4m');
  expect((await run('vtl alert LIB 1 20 6')).out).toContain('TapeAlert 20, 6');
  expect((await run('vtl alert LIB 9 20')).status).toBe(20);
  expect((await run('vtl alert LIB 1 65')).status).toBe(20);
  // The load of a cartridge clears what a drive says by itself.
  const loading = await openVirtualLibrary(library);
  await loading.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  await loading.move(FIRST_ADDRESS.drive, FIRST_ADDRESS.slot);
  await loading.close();
  const owner = { grantId: 'g', epoch: 1n };
  const drive = await openVirtualDrive({ libraryDir: library, driveIndex: 0, owner });
  expect(await drive.tapeAlerts?.()).toEqual([6, 20]);
  await drive.close();
  expect((await run('vtl fault LIB robot jam -times 2')).out).toBe('robot: jam, 2 times\n');
  expect((await run('vtl fault LIB robot sings')).status).toBe(144);
  const opened = await openVirtualLibrary(library);
  const move = () => opened.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  await expect(move()).rejects.toMatchObject({ status: 'robotDown' });
  expect((await run('vtl fault LIB -clear')).status).toBe(0);
  await move();
  await opened.close();
});
