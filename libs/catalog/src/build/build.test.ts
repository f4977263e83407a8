import { readdirSync } from 'node:fs';
import { appendFile, readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import fc from 'fast-check';
import { afterAll, expect, test, vi } from 'vitest';
import { appendAsDirsAndNodes, appendAsFiles, expectedRows, tree } from '../../test/tree.ts';
import { openWorkshop, readParquet } from '../../test/workshop.ts';
import type { HistoryFile, HistoryNode } from '../spool.ts';
import { buildFileList } from './build.ts';

vi.setConfig({ testTimeout: 600_000 });

const workshop = await openWorkshop();
afterAll(workshop.clear);

const node = (number: number, more: Partial<HistoryNode> = {}): HistoryNode => ({
  type: 'file',
  sizeBytes: 10n,
  node: BigInt(number),
  fhInfo: BigInt(number * 512),
  ...more,
});
const file = (path: string, number: number, more: Partial<HistoryNode> = {}): HistoryFile => ({
  ...node(number, more),
  path: Buffer.from(path),
});
const dir = (parent: number, child: number, name: string) => ({
  parent: BigInt(parent),
  node: BigInt(child),
  name: Buffer.from(name),
});
const pathsOf = (rows: Record<string, unknown>[]) => rows.map((row) => row.path);

test('both forms of history give the same file list, and it is the tree', async () => {
  await fc.assert(
    fc.asyncProperty(tree, fc.constantFrom('/', '/vol1'), async (objects, prefix) => {
      const asFiles = await workshop.build((spool) => appendAsFiles(spool, objects), { prefix });
      const asDirs = await workshop.build((spool) => appendAsDirsAndNodes(spool, objects), {
        prefix,
      });
      expect(asDirs.sha256).toBe(asFiles.sha256);
      expect(asDirs.warnings).toEqual([]);
      const rows = await readParquet(asDirs.outPath);
      expect(
        rows.map(({ path, type, size, node, fh_info, saved }) => ({
          path,
          type,
          sizeBytes: size,
          node,
          fhInfo: fh_info ?? undefined,
          saved,
        })),
      ).toEqual(expectedRows(objects, prefix));
      expect(asDirs).toMatchObject({ rows: rows.length, entries: objects.length });
      expectParents(rows);
    }),
    { numRuns: 15 },
  );
});

/** `name` is the last component; rows share an ordinal exactly when they share a parent, in path order. */
function expectParents(rows: Record<string, unknown>[]): void {
  const split = rows.map((row) => {
    const path = row.path as string;
    return { ...row, path, dir: path.slice(0, path.lastIndexOf('/')) };
  });
  const dirs = [...new Set(split.filter(({ path }) => path !== '/').map((row) => row.dir))];
  dirs.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  for (const row of split as { path: string; dir: string; name: string; parent: number | null }[]) {
    expect(row.name).toBe(row.path.slice(row.dir.length + 1));
    expect(row.parent).toBe(row.path === '/' ? null : dirs.indexOf(row.dir));
  }
}

test('an empty history gives a list with the root alone', async () => {
  const { outPath, ...result } = await workshop.build(() => {});
  expect(result).toMatchObject({ entries: 0, rows: 1, bytes: 0n, warnings: [] });
  expect(await readParquet(outPath)).toMatchObject([{ path: '/', type: 'dir', saved: false }]);
});

test('one file brings the directories on its way', async () => {
  const result = await workshop.build((spool) => void spool.appendFiles([file('/x/y', 7)]), {
    prefix: '/vol/a/',
  });
  expect(result).toMatchObject({ entries: 1, rows: 5, bytes: 10n });
  const rows = await readParquet(result.outPath);
  expect(rows.map(({ path, type, saved }) => [path, type, saved])).toEqual([
    ['/', 'dir', false],
    ['/vol', 'dir', false],
    ['/vol/a', 'dir', false],
    ['/vol/a/x', 'dir', false],
    ['/vol/a/x/y', 'file', true],
  ]);
});

test('the last entry of a path wins, in both forms', async () => {
  const asFiles = await workshop.build((spool) => {
    spool.appendFiles([file('/a', 1), file('/b', 2), file('/a', 3), file('/a', 4)]);
  });
  expect(await readParquet(asFiles.outPath)).toMatchObject([
    { path: '/' },
    { path: '/a', node: 4n },
    { path: '/b', node: 2n },
  ]);
  const asDirs = await workshop.build((spool) => {
    spool.appendDirs([dir(2, 2, '.'), dir(2, 5, 'a'), dir(2, 5, 'a'), dir(2, 6, 'a')]);
    spool.appendNodes([node(5), node(6), node(6, { sizeBytes: 99n }), node(5)]);
  });
  expect(await readParquet(asDirs.outPath)).toMatchObject([
    { path: '/' },
    { path: '/a', node: 6n, size: 99n },
  ]);
});

test('paths are normalised, and a prefix that every path carries is not put there twice', async () => {
  const paths = ['/vol1', '/vol1/a', '/vol1//b/./c/', '/vol1/ä//d'];
  const result = await workshop.build(
    (spool) => void spool.appendFiles(paths.map((path, index) => file(path, index))),
    { prefix: '/vol1' },
  );
  const rows = await readParquet(result.outPath);
  expect(pathsOf(rows)).toEqual([
    '/',
    '/vol1',
    '/vol1/a',
    '/vol1/b',
    '/vol1/b/c',
    '/vol1/ä',
    '/vol1/ä/d',
  ]);
  expect(result.warnings.join()).toMatch(/prefix in front/);
  const without = await workshop.build(
    (spool) => void spool.appendFiles([file('a', 1), file('vol1/b', 2), file('x/../y', 3)]),
    { prefix: '/vol1' },
  );
  expect(pathsOf(await readParquet(without.outPath))).toEqual([
    '/',
    '/vol1',
    '/vol1/a',
    '/vol1/vol1',
    '/vol1/vol1/b',
  ]);
  expect(without.warnings).toEqual(['1 names are no names and were left out']);
});

test('names that an incremental only mentions are kept as not saved', async () => {
  const result = await workshop.build((spool) => {
    spool.appendDirs([dir(2, 2, '.'), dir(2, 10, 'old'), dir(2, 11, 'sub'), dir(11, 12, 'new')]);
    spool.appendNodes([node(12)]);
  });
  expect(result).toMatchObject({ entries: 1, rows: 4 });
  expect(await readParquet(result.outPath)).toMatchObject([
    { path: '/', saved: false },
    { path: '/old', type: 'other', saved: false },
    { path: '/sub', type: 'dir', saved: false },
    { path: '/sub/new', type: 'file', saved: true },
  ]);
});

test('nodes first, no root entry, orphans, rings and nameless nodes: nothing is lost', async () => {
  const result = await workshop.build((spool) => {
    spool.appendNodes([node(20), node(30), node(40), node(50), node(2, { type: 'dir' })]);
    spool.appendDirs([
      dir(2, 20, 'named'),
      dir(77, 30, 'orphan'),
      dir(90, 91, 'ring'),
      dir(91, 90, 'ring'),
      dir(91, 40, 'in-ring'),
    ]);
  });
  const rows = await readParquet(result.outPath);
  const saved = pathsOf(rows.filter((row) => row.saved));
  expect(saved).toEqual([
    '/',
    '/.lost-in-history/50',
    '/.lost-in-history/77/orphan',
    '/.lost-in-history/91/in-ring',
    '/named',
  ]);
  expect(result.warnings).toHaveLength(2);
});

test('a spool that was not closed is refused, or used as far as it is whole', async () => {
  const spoolPath = await workshop.spool((spool) => void spool.appendFiles([file('/a', 1)]));
  await appendFile(spoolPath, 'torn');
  const outPath = workshop.newPath('parquet');
  const request = { spoolPath, outPath, prefix: '/' };
  await expect(buildFileList(request)).rejects.toMatchObject({ status: 'imageInconsistent' });
  expect(
    readdirSync(dirname(outPath)).filter((name) => name.startsWith(basename(outPath))),
  ).toEqual([]);
  const result = await buildFileList({ ...request, incompleteSpool: 'use' });
  expect(result.entries).toBe(1);
  expect(result.warnings.join()).toMatch(/4 torn bytes/);
});

test('a missing spool, a foreign spool and a bad prefix are told apart', async () => {
  const request = { spoolPath: workshop.newPath('spool'), outPath: workshop.newPath('parquet') };
  const failing = (more: object) => buildFileList({ ...request, prefix: '/', ...more });
  await expect(failing({})).rejects.toMatchObject({ status: 'fileOpenFailed' });
  await appendFile(request.spoolPath, 'no spool at all');
  await expect(failing({})).rejects.toMatchObject({ status: 'fileReadFailed' });
  await expect(failing({ prefix: '/a/..' })).rejects.toMatchObject({ status: 'invalidParameter' });
});

test('the same spool gives the same bytes, whatever the memory', async () => {
  const spoolPath = await workshop.spool(async (spool) => {
    for (let first = 0; first < 200_000; first += 500) {
      const batch = Array.from({ length: 500 }, (_, index) => {
        const number = first + index;
        return file(`/d${number % 311}/e${number % 17}/file-${number}`, number);
      });
      if (!spool.appendFiles(batch)) await spool.drain();
    }
  });
  const outPaths = [workshop.newPath('parquet'), workshop.newPath('parquet')];
  const [small, large] = [
    await buildFileList({
      spoolPath,
      outPath: outPaths[0] as string,
      prefix: '/v',
      memoryLimitBytes: 1,
    }),
    await buildFileList({
      spoolPath,
      outPath: outPaths[1] as string,
      prefix: '/v',
      memoryLimitBytes: 2 ** 30,
    }),
  ];
  expect(small).toEqual(large);
  expect(small).toMatchObject({ entries: 200_000, bytes: 2_000_000n });
  expect(await readFile(outPaths[0] as string)).toEqual(await readFile(outPaths[1] as string));
  const paths = pathsOf(await readParquet(outPaths[0] as string)) as string[];
  expect(paths.every((path, index) => index === 0 || (paths[index - 1] as string) < path)).toBe(
    true,
  );
});
