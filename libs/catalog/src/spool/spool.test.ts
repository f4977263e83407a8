import { mkdtemp, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test } from 'vitest';
import { FILE_TYPES, type HistoryDir, type HistoryFile, type HistoryNode } from './entry.ts';
import { type HistoryEntry, inspectSpool, readSpool } from './reader.ts';
import { HistorySpool } from './writer.ts';

const folder = await mkdtemp(join(tmpdir(), 'spool-'));
afterAll(() => rm(folder, { recursive: true }));
let made = 0;
const newPath = () => join(folder, `${made++}.spool`);

const u32 = fc.option(fc.nat(0xfffffffe), { nil: undefined });
const u64 = fc.bigInt(0n, 2n ** 64n - 2n);
const stat = fc.record({
  type: fc.constantFrom(...FILE_TYPES),
  sizeBytes: u64,
  node: u64,
  fhInfo: fc.option(u64, { nil: undefined }),
  mtimeS: u32,
  atimeS: u32,
  ctimeS: u32,
  mode: u32,
  uid: u32,
  gid: u32,
  links: u32,
});
const name = fc.uint8Array({ maxLength: 30 }).map((bytes) => Buffer.from(bytes));
const entry: fc.Arbitrary<HistoryEntry> = fc.oneof(
  fc.tuple(stat, name).map(([file, path]) => ({ kind: 'file' as const, file: { ...file, path } })),
  fc.record({ parent: u64, node: u64, name }).map((dir) => ({ kind: 'dir' as const, dir })),
  stat.map((node) => ({ kind: 'node' as const, node })),
);

function append(spool: HistorySpool, item: HistoryEntry): void {
  if (item.kind === 'file') spool.appendFiles([item.file]);
  else if (item.kind === 'dir') spool.appendDirs([item.dir]);
  else spool.appendNodes([item.node]);
}

async function readAll(path: string) {
  const entries: HistoryEntry[] = [];
  const end = await readSpool(path, (item) => entries.push(item));
  return { entries, end };
}

const file = (path: string): HistoryFile => ({
  path: Buffer.from(path),
  type: 'file',
  sizeBytes: 1n,
  node: 2n,
});

test('what is appended is read back in order, whole and complete', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(entry), async (items) => {
      const spool = await HistorySpool.create(newPath());
      for (const item of items) append(spool, item);
      await spool.close();
      const { entries, end } = await readAll(spool.path);
      expect(entries).toEqual(items);
      expect(end).toMatchObject({ complete: true, tornBytes: 0, counts: spool.counts });
    }),
    { numRuns: 50 },
  );
});

test('more than one block is written while appending goes on', async () => {
  const spool = await HistorySpool.create(newPath());
  const dirs: HistoryDir[] = Array.from({ length: 1000 }, (_, index) => ({
    parent: 1n,
    node: BigInt(index),
    name: Buffer.alloc(1000, index),
  }));
  for (let round = 0; round < 40; round++) {
    if (!spool.appendDirs(dirs)) await spool.drain();
  }
  await spool.close();
  await spool.close();
  const end = await inspectSpool(spool.path);
  expect(end).toMatchObject({ complete: true, counts: { files: 0, dirs: 40_000, nodes: 0 } });
});

test('a spool cut at any byte gives whole frames only and is not complete', async () => {
  const path = newPath();
  const spool = await HistorySpool.create(path);
  for (const part of ['/a', '/bb', '/ccc']) {
    spool.appendFiles([file(part)]);
    await spool.sync();
  }
  await spool.close();
  const whole = await readFile(path);
  let kept = 0;
  for (let size = 0; size < whole.length; size++) {
    const cut = newPath();
    await writeFile(cut, whole.subarray(0, size));
    const { entries, end } = await readAll(cut);
    expect(end.complete).toBe(false);
    expect(end.validBytes + end.tornBytes).toBe(size);
    expect(entries.length).toBeGreaterThanOrEqual(kept);
    kept = entries.length;
  }
  expect(kept).toBe(3);
});

test('a changed byte ends the readable part', async () => {
  const path = newPath();
  const spool = await HistorySpool.create(path);
  spool.appendFiles([file('/a')]);
  await spool.sync();
  spool.appendFiles([file('/b')]);
  await spool.close();
  const bytes = await readFile(path);
  bytes.write('x', bytes.indexOf('/b') + 1);
  await writeFile(path, bytes);
  const { entries, end } = await readAll(path);
  expect(entries).toHaveLength(1);
  expect(end.tornBytes).toBeGreaterThan(0);
});

test('an abandoned spool and one with bytes behind its end are not complete', async () => {
  const spool = await HistorySpool.create(newPath());
  spool.appendNodes([file('/ignored') as HistoryNode]);
  await spool.sync();
  await spool.abandon();
  expect(await inspectSpool(spool.path)).toMatchObject({ complete: false, tornBytes: 0 });
  const closed = await HistorySpool.create(newPath());
  await closed.close();
  await truncate(closed.path, (await inspectSpool(closed.path)).validBytes + 5);
  expect(await inspectSpool(closed.path)).toMatchObject({ complete: false, tornBytes: 5 });
});

test('foreign files, existing files and monstrous names are refused', async () => {
  const path = newPath();
  await writeFile(path, 'something else');
  await expect(inspectSpool(path)).rejects.toMatchObject({ status: 'fileReadFailed' });
  await expect(HistorySpool.create(path)).rejects.toMatchObject({ status: 'fileOpenFailed' });
  const spool = await HistorySpool.create(newPath());
  const monster = { ...file(''), path: Buffer.alloc(300_000) };
  expect(() => spool.appendFiles([monster])).toThrowError(/300000 bytes/);
  await spool.abandon();
});
