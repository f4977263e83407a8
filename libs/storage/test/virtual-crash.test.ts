// Whatever a synchronous filemark acknowledged is there after kill -9, and nothing else is taken for it. A tape that lost
// acknowledged data says so and is not written any more.

import { spawn } from 'node:child_process';
import { readFileSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { blockOf, makeVirtualBench, tapeText, type VirtualBench } from './virtual-bench.ts';

const benches: VirtualBench[] = [];
afterEach(async () => {
  for (const bench of benches.splice(0)) await bench.dispose();
});
async function make(...args: Parameters<typeof makeVirtualBench>): Promise<VirtualBench> {
  const bench = await makeVirtualBench(...args);
  benches.push(bench);
  return bench;
}

const KILLS = 200;

/** Kills the writer at a moment that has nothing to do with what it does; answers what it had said until then. */
async function writeUntilKilled(bench: VirtualBench, epoch: number): Promise<string[]> {
  const script = join(import.meta.dirname, 'crash-writer.ts');
  const child = spawn(process.execPath, [script, bench.dir, String(epoch), String(epoch * 7)], {
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { ...process.env, NODE_COMPILE_CACHE: join(bench.dir, 'compiled') },
  });
  let said = '';
  child.stdout.on('data', (chunk) => {
    if (said === '') setTimeout(() => child.kill('SIGKILL'), (epoch * 37) % 23);
    said += chunk;
  });
  await new Promise((resolve) => child.once('close', resolve));
  return said.split('\n').slice(0, -1);
}

/** The files of a tape as `blocks stamp`. What stands behind the last filemark counts when there is something. */
function filesOf(tape: string): string[] {
  const files = tape.split('*').map((file) => {
    const blocks = file.trim().split(' ').filter(Boolean);
    const stamps = new Set(blocks.map((block) => block.split(':')[0]));
    return `${blocks.length} ${[...stamps]}`;
  });
  return files.at(-1) === '0 ' ? files.slice(0, -1) : files;
}

/** What the orders leave: the acknowledged files by number, and those before a cut that may not have been made. */
function replay(before: readonly string[], said: readonly string[]) {
  let files = [...before];
  let uncut: readonly string[] = [];
  for (const line of said) {
    const [what, file, ...content] = line.split(' ');
    uncut = what === 'cut' ? files : [];
    files = files.slice(0, Number(file));
    if (what === 'file') files.push(content.join(' '));
  }
  return { files, uncut };
}

test('after kill -9 every acknowledged file is whole, again and again on one tape', async () => {
  const bench = await make();
  let files: string[] = [];
  let acknowledged = 0;
  for (let round = 1; round <= KILLS; round++) {
    const said = await writeUntilKilled(bench, round * 2);
    acknowledged += said.length;
    const { files: wanted, uncut } = replay(files, said);
    const owner = { grantId: 'check', epoch: BigInt(round * 2 + 1) };
    const drive = await bench.open({ owner });
    expect(await drive.loadState()).toMatchObject({ loaded: true, writeProtected: false });
    const found = filesOf(await tapeText(drive));
    if (found.join() !== uncut.join() || uncut.length === 0) {
      expect(found.slice(0, wanted.length), `round ${round}`).toEqual(wanted);
      // One more may have been written and not yet told, or be there in part.
      expect(found.length - wanted.length, `round ${round}`).toBeLessThanOrEqual(1);
    }
    await drive.close();
    files = found;
  }
  expect(acknowledged).toBeGreaterThan(KILLS);
}, 600_000);

/** Two acknowledged files, then blocks that nobody acknowledged, and the writer never closes. */
async function withTail(): Promise<VirtualBench> {
  const bench = await make({ segmentBytes: 64 * 1024 * 1024 });
  const drive = await bench.open();
  await drive.writeBlocks([blockOf(1, 1000), blockOf(2, 1000)]);
  await drive.writeFilemarks(1, 'sync');
  await drive.writeBlocks([blockOf(3, 500)]);
  await drive.writeFilemarks(1, 'sync');
  await drive.writeBlocks([blockOf(4, 1000), blockOf(5, 1000)]);
  return bench;
}

const ACKNOWLEDGED = '1:1000 2:1000 * 3:500 *';

test('a torn tail ends the tape at its last whole record, wherever it is torn', async () => {
  const bench = await withTail();
  const [segment = ''] = bench.segments();
  const size = statSync(segment).size;
  const stored = 64 + 1024;
  for (let cut = 1; cut <= 2 * stored; cut += 77) {
    truncateSync(segment, size - cut);
    const drive = await bench.open();
    const tail = cut <= 0 ? ' 4:1000 5:1000' : cut <= stored ? ' 4:1000' : '';
    expect(await tapeText(drive)).toBe(`${ACKNOWLEDGED}${tail}`);
    expect((await drive.loadState()).writeProtected).toBe(false);
  }
});

test('a tail of garbage is no tape, and the next writer goes on behind what is whole', async () => {
  const bench = await withTail();
  const [segment = ''] = bench.segments();
  const bytes = readFileSync(segment);
  const at = bytes.length - 700;
  bytes.fill(0x5a, at, at + 8);
  writeFileSync(segment, bytes);
  const drive = await bench.open();
  expect(await tapeText(drive)).toBe(`${ACKNOWLEDGED} 4:1000`);
  await drive.locate('endOfData');
  await drive.writeBlocks([blockOf(6, 10)]);
  await drive.writeFilemarks(1, 'sync');
  await drive.close();
  expect(await tapeText(await bench.open())).toBe(`${ACKNOWLEDGED} 4:1000 6:10 *`);
});

test('an index that is missing, cut or wrong is made up from the segments', async () => {
  const bench = await withTail();
  const wanted = `${ACKNOWLEDGED} 4:1000 5:1000`;
  const path = join(bench.cartridgeDir, 'index.log');
  const index = readFileSync(path);
  expect(await tapeText(await bench.open())).toBe(wanted);
  for (let length = index.length; length >= 0; length -= 40) {
    writeFileSync(path, index.subarray(0, length));
    expect(await tapeText(await bench.open())).toBe(wanted);
  }
  for (let at = 0; at < index.length; at += 29) {
    const garbled = Buffer.from(index);
    garbled[at] = (garbled[at] as number) ^ 0x10;
    writeFileSync(path, garbled);
    expect(await tapeText(await bench.open())).toBe(wanted);
  }
  rmSync(path);
  expect(await tapeText(await bench.open())).toBe(wanted);
});

test('a tape that lost acknowledged data can be read and not written', async () => {
  const bench = await withTail();
  const [segment = ''] = bench.segments();
  truncateSync(segment, 1500);
  const drive = await bench.open();
  expect(await drive.loadState()).toMatchObject({ loaded: true, writeProtected: true });
  await expect(drive.writeBlocks([blockOf(9, 10)])).rejects.toMatchObject({
    status: 'writeProtected',
  });
  await drive.rewind();
  expect(await drive.readBlock(Buffer.alloc(2000))).toMatchObject({ lengthBytes: 1000 });
  await expect(drive.readBlock(Buffer.alloc(2000))).rejects.toMatchObject({
    status: 'mediaReadError',
  });
});

test('one damaged block is one block lost', async () => {
  const bench = await withTail();
  const [segment = ''] = bench.segments();
  const bytes = readFileSync(segment);
  // In the payload of the second block: behind segment start, a record, and a header.
  bytes[128 + 64 + 1024 + 64 + 10] = 0xff;
  writeFileSync(segment, bytes);
  expect(await tapeText(await bench.open())).toBe('1:1000 ! * 3:500 * 4:1000 5:1000');
});

test('a lost segment loses its own objects and leaves the others their numbers', async () => {
  const bench = await make({ segmentBytes: 1024 * 1024 });
  const drive = await bench.open();
  for (let i = 1; i <= 9; i++) {
    await drive.writeBlocks([blockOf(i, 400_000)]);
    await drive.writeFilemarks(1, 'sync');
  }
  await drive.close();
  const segments = bench.segments();
  expect(segments.length).toBeGreaterThan(3);
  rmSync(segments[1] as string);
  const reader = await bench.open();
  expect(await reader.loadState()).toMatchObject({ loaded: true, writeProtected: true });
  await reader.locate({ file: 8, block: 0 });
  const into = Buffer.alloc(400_000);
  expect(await reader.readBlock(into)).toMatchObject({ kind: 'block' });
  expect(into[0]).toBe(9);
  await reader.rewind();
  expect(await reader.readBlock(into)).toMatchObject({ kind: 'block' });
  expect(into[0]).toBe(1);
});
