import { writeFile } from 'node:fs/promises';
import fc from 'fast-check';
import { afterAll, expect, test, vi } from 'vitest';
import { appendAsFiles, type ExpectedRow, expectedRows, tree } from '../../test/tree.ts';
import { openWorkshop } from '../../test/workshop.ts';
import type { HistoryFile } from '../spool.ts';
import { cursorAfter } from './cursor.ts';
import { FileListReader } from './reader.ts';
import type { FileListEntry, FileListRef, Page, PageOptions } from './types.ts';

vi.setConfig({ testTimeout: 600_000 });
const workshop = await openWorkshop();
const reader = new FileListReader({ tempDir: workshop.newPath('spill') });
afterAll(async () => {
  await reader.close();
  await workshop.clear();
});

const file = (path: string, more: Partial<HistoryFile> = {}): HistoryFile => ({
  path: Buffer.from(path),
  type: path.endsWith('/') ? 'dir' : 'file',
  sizeBytes: 10n,
  node: 5n,
  fhInfo: 512n,
  ...more,
});

async function listOf(id: string, files: readonly HistoryFile[]): Promise<FileListRef> {
  const { outPath } = await workshop.build((spool) => void spool.appendFiles(files));
  return { id, file: outPath };
}

/** Follows the pages to the end. */
async function all(
  page: (options: PageOptions) => Promise<Page>,
  limit: number,
): Promise<FileListEntry[]> {
  const entries: FileListEntry[] = [];
  for (let after: string | undefined, first = true; first || after !== undefined; first = false) {
    const got = await page({ limit, after });
    expect(got.entries.length).toBeLessThanOrEqual(limit);
    entries.push(...got.entries);
    after = got.next;
  }
  return entries;
}

const isBelow = (path: string, dir: string) =>
  path !== '/' && path.startsWith(dir === '/' ? '/' : `${dir}/`);
const isChild = (path: string, dir: string) =>
  isBelow(path, dir) && !path.slice(dir === '/' ? 1 : dir.length + 1).includes('/');
const paths = (entries: readonly { path: string }[]) => entries.map(({ path }) => path);
/** Distinguishes the lists in what a merged page shows. */
const tags = (entries: readonly FileListEntry[]) =>
  entries.map(({ path, listId }) => `${path} ${listId}`);

test('lookup, listings, search and selections agree with the tree', async () => {
  await fc.assert(
    fc.asyncProperty(
      tree,
      fc.nat(1000),
      fc.integer({ min: 1, max: 5 }),
      async (objects, pick, limit) => {
        const { outPath } = await workshop.build((spool) => appendAsFiles(spool, objects));
        const ref = { id: 'one', file: outPath };
        const rows = expectedRows(objects, '/');
        const chosen = rows[pick % rows.length] as ExpectedRow;
        const dirs = rows.filter(({ type }) => type === 'dir');
        const dir = (dirs[pick % dirs.length] as ExpectedRow).path;

        expect(await reader.lookup([ref], [chosen.path])).toMatchObject([
          { ...chosen, listId: 'one' },
        ]);
        const below = await all((options) => reader.list([ref], dir, options), limit);
        expect(paths(below)).toEqual(paths(rows).filter((path) => isBelow(path, dir)));
        const children = await all(
          (options) => reader.list([ref], dir, { ...options, depth: 1 }),
          limit,
        );
        expect(paths(children)).toEqual(paths(rows).filter((path) => isChild(path, dir)));
        const found = await all(
          (options) => reader.search([ref], { ...options, nameContains: 'a' }),
          limit,
        );
        expect(paths(found)).toEqual(paths(rows).filter((path) => /a[^/]*$/.test(path)));

        const expected = rows.filter(({ path }) => path === dir || isBelow(path, dir));
        const selection = await reader.resolve(ref, [dir, dir, '/no/such/thing']);
        const files = expected.filter(({ type }) => type === 'file');
        expect(selection).toMatchObject({
          missing: ['/no/such/thing'],
          entries: expected.length,
          files: files.length,
          bytes: files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0n),
          wholeImage: dir === '/',
        });
        expect(paths(selection.roots)).toEqual([dir]);
        expect(paths(selection.items).sort()).toEqual(paths(expected).sort());
      },
    ),
    { numRuns: 12 },
  );
});

test('names are data, not SQL and not patterns', async () => {
  const names = ["'; DROP TABLE x; --", '%', '_', '*', '$1', '"', "\\'", '?'];
  const ref = await listOf(
    'q',
    names.map((name) => file(`/${name}`)),
  );
  for (const name of names) {
    expect(paths(await reader.lookup([ref], [`/${name}`]))).toEqual([`/${name}`]);
    const found = await reader.search([ref], { nameContains: name });
    expect(paths(found.entries)).toContain(`/${name}`);
    expect(found.entries.every((entry) => entry.name.includes(name))).toBe(true);
  }
});

test('a listing stops at its depth and at its pattern', async () => {
  const ref = await listOf(
    'd',
    ['/a/b/c/d.txt', '/a/b/e.txt', '/a/f.TXT', '/ab/g.txt'].map((path) => file(path)),
  );
  const list = async (dir: string, options: object) =>
    paths((await reader.list([ref], dir, options)).entries);
  expect(await list('/a', { depth: 2 })).toEqual(['/a/b', '/a/b/c', '/a/b/e.txt', '/a/f.TXT']);
  expect(await list('/', { depth: 1 })).toEqual(['/a', '/ab']);
  expect(await list('/', { after: cursorAfter('/a/b/e.txt') })).toEqual([
    '/a/f.TXT',
    '/ab',
    '/ab/g.txt',
  ]);
  expect(await list('/', { depth: 2 })).toEqual(['/a', '/a/b', '/a/f.TXT', '/ab', '/ab/g.txt']);
  expect(await list('/a', { namePattern: '*.txt' })).toEqual(['/a/b/c/d.txt', '/a/b/e.txt']);
  expect(await list('/a/f.TXT', {})).toEqual([]);
  expect(await list('/nowhere', { depth: 1 })).toEqual([]);
  const search = async (options: object) => paths((await reader.search([ref], options)).entries);
  expect(await search({ namePattern: '[df].txt', ignoreCase: true })).toEqual([
    '/a/b/c/d.txt',
    '/a/f.TXT',
  ]);
  expect(await search({ nameContains: '.tXt', ignoreCase: true, under: '/a/b' })).toEqual([
    '/a/b/c/d.txt',
    '/a/b/e.txt',
  ]);
});

test('several lists give one entry a list, or the newest that saved a path', async () => {
  const full = await listOf(
    'full',
    ['/a/x', '/a/y', '/b'].map((path) => file(path)),
  );
  const { outPath } = await workshop.build((spool) => {
    const dir = (parent: bigint, node: bigint, name: string) => ({
      parent,
      node,
      name: Buffer.from(name),
    });
    spool.appendDirs([
      dir(2n, 2n, '.'),
      dir(2n, 3n, 'a'),
      dir(2n, 4n, 'b'),
      dir(3n, 5n, 'x'),
      dir(3n, 6n, 'z'),
    ]);
    spool.appendNodes([file('', { node: 5n }), file('', { node: 6n })]);
  });
  const refs = [full, { id: 'incr', file: outPath }];
  for (const limit of [1, 2, 100]) {
    const every = await all((options) => reader.list(refs, '/', options), limit);
    expect(tags(every)).toEqual([
      '/a full',
      '/a incr',
      '/a/x full',
      '/a/x incr',
      '/a/y full',
      '/a/z incr',
      '/b full',
    ]);
    const newest = await all(
      (options) => reader.list(refs, '/', { ...options, merge: 'newest' }),
      limit,
    );
    expect(tags(newest)).toEqual(['/a incr', '/a/x incr', '/a/y full', '/a/z incr', '/b full']);
    const children = await all(
      (options) => reader.list(refs, '/a', { ...options, merge: 'newest', depth: 1 }),
      limit,
    );
    expect(tags(children)).toEqual(['/a/x incr', '/a/y full', '/a/z incr']);
  }
  const unsaved = await reader.list(refs, '/', { depth: 1, unsavedToo: true });
  expect(tags(unsaved.entries)).toEqual(['/a full', '/a incr', '/b full', '/b incr']);
});

test('a selection says whether direct access makes sense and streams in order of fh_info', async () => {
  const list = (fhInfos: (bigint | undefined)[]) =>
    listOf(
      's',
      fhInfos.map((fhInfo, index) => file(`/d/${index}`, { fhInfo })),
    );
  const direct = async (fhInfos: (bigint | undefined)[]) =>
    (await reader.resolve(await list(fhInfos), ['/'])).direct;
  expect(await direct([3n, 0n, 2n])).toBe(true);
  expect(await direct([0n, 0n])).toBe(false);
  expect(await direct([3n, undefined])).toBe(false);
  const ref = await list([30n, undefined, 10n, 2n ** 64n - 2n, 20n]);
  const selection = await reader.resolve(ref, ['/d/0', '/d', '/d/2'], { limit: 3 });
  expect(selection).toMatchObject({ entries: 5, files: 5, bytes: 50n, wholeImage: true });
  expect(paths(selection.roots)).toEqual(['/d']);
  expect(paths(selection.items)).toEqual(['/d/2', '/d/4', '/d/0']);
  const streamed: string[] = [];
  for await (const batch of reader.stream(ref, ['/d'])) streamed.push(...paths(batch));
  expect(streamed).toEqual(['/d/2', '/d/4', '/d/0', '/d/3', '/d/1']);
  const none = await reader.resolve(ref, ['/x', '/../y']);
  expect(none).toMatchObject({
    missing: ['/../y', '/x'],
    entries: 0,
    bytes: 0n,
    wholeImage: false,
  });
});

test('large lists are paged row group by row group, and streamed whole', async () => {
  const count = 300_000;
  const { outPath } = await workshop.build(async (spool) => {
    for (let first = 0; first < count; first += 1000) {
      const batch = Array.from({ length: 1000 }, (_, index) =>
        file(`/big/${String(first + index).padStart(7, '0')}`, {
          fhInfo: BigInt(count - first - index),
        }),
      );
      if (!spool.appendFiles(batch)) await spool.drain();
    }
    spool.appendFiles([file('/z/last')]);
  });
  const ref = { id: 'big', file: outPath };
  expect(await reader.describe(ref)).toMatchObject({ prefix: '/', rows: count + 4 });
  const some = await reader.list([ref], '/big', { limit: 3 });
  expect(paths(some.entries)).toEqual(['/big/0000000', '/big/0000001', '/big/0000002']);
  const end = await all((options) => reader.list([ref], '/z', options), 10);
  expect(paths(end)).toEqual(['/z/last']);
  const pattern = { namePattern: '??77777' };
  expect(paths((await reader.search([ref], pattern)).entries)).toEqual([
    '/big/0077777',
    '/big/0177777',
    '/big/0277777',
  ]);
  const number = (entry: FileListEntry | undefined) => Number(entry?.name);
  for (const first of [122_000, 245_000, count - 5_000]) {
    const after = cursorAfter(`/big/${String(first - 1).padStart(7, '0')}`);
    const page = await reader.list([ref], '/big', { depth: 1, limit: 10_000, after });
    const length = Math.min(10_000, count - first);
    expect(page.entries).toHaveLength(length);
    expect(number(page.entries[0])).toBe(first);
    expect(number(page.entries.at(-1))).toBe(first + length - 1);
    expect(page.next === undefined).toBe(length < 10_000);
  }
  let streamed = 0;
  let before = 0n;
  for await (const batch of reader.stream(ref, ['/big'])) {
    streamed += batch.length;
    const rising = batch.every(({ fhInfo }) => {
      const isNext = (fhInfo as bigint) > before;
      before = fhInfo as bigint;
      return isNext;
    });
    expect(rising).toBe(true);
  }
  expect(streamed).toBe(count);
  for await (const batch of reader.stream(ref, ['/big'])) {
    expect(batch.length).toBeGreaterThan(0);
    break; // leaving early gives the place back, or the next lines would wait for ever
  }
  const many = Array.from({ length: 20 }, () => reader.lookup([ref], ['/z/last']));
  expect((await Promise.all(many)).flat()).toHaveLength(20);
});

test('what cannot be answered says why', async () => {
  const absent = { id: 'x', file: workshop.newPath('parquet') };
  await expect(reader.lookup([absent], ['/'])).rejects.toMatchObject({ status: 'fileOpenFailed' });
  const foreign = { id: 'y', file: workshop.newPath('parquet') };
  await writeFile(foreign.file, 'this is not a Parquet file, but long enough to be one');
  await expect(reader.lookup([foreign], ['/'])).rejects.toMatchObject({ status: 'fileReadFailed' });
  const ref = await listOf('z', [file('/a')]);
  const refusals = [
    reader.search([ref], {}),
    reader.list([ref], '/../x'),
    reader.list([ref], '/', { after: 'nonsense' }),
    reader.list([ref], '/', { limit: 0 }),
    reader.list([], '/'),
  ];
  for (const refusal of await Promise.allSettled(refusals)) {
    expect(refusal).toMatchObject({ reason: { status: 'invalidParameter' } });
  }
});

test('bounds: a deadline, an abort, a full queue, a closed reader', async () => {
  const ref = await listOf('b', [file('/a')]);
  const hasty = new FileListReader({
    tempDir: workshop.newPath('spill'),
    queriesMax: 1,
    waitingMax: 1,
    idleMs: 1,
  });
  await hasty.lookup([ref], ['/a']);
  const three = await Promise.allSettled([1, 2, 3].map(() => hasty.lookup([ref], ['/a'])));
  // Each looks at its file first, so which of them comes last is anybody's guess.
  const refused = three.filter(({ status }) => status === 'rejected');
  expect(refused).toMatchObject([{ reason: { status: 'cannotProcess' } }]);
  await new Promise((resolve) => setTimeout(resolve, 20));
  expect(await hasty.lookup([ref], ['/a'])).toHaveLength(1); // opens its engine again after idling
  const signal = AbortSignal.abort();
  const aborted = hasty.stream(ref, ['/a'], { signal }).next();
  await expect(aborted).rejects.toMatchObject({ status: 'cancelled' });
  await hasty.close();
  await expect(hasty.lookup([ref], ['/a'])).rejects.toMatchObject({ status: 'cancelled' });
  const impatient = new FileListReader({ tempDir: workshop.newPath('spill'), queryTimeoutMs: 0 });
  await expect(impatient.lookup([ref], ['/a'])).rejects.toMatchObject({
    status: 'requestTimedOut',
  });
  await impatient.close();
  const hurried = reader.stream(ref, ['/a'], { timeoutMs: 0 }).next();
  await expect(hurried).rejects.toMatchObject({ status: 'requestTimedOut' });
});

test('an engine that is wanted again while it closes does not meet its own end', async () => {
  const ref = await listOf('again', [file('/a')]);
  const dozing = new FileListReader({ tempDir: workshop.newPath('spill'), idleMs: 1 });
  for (let n = 0; n < 30; n += 1) {
    expect(await dozing.lookup([ref], ['/a'])).toHaveLength(1);
    await new Promise((resolve) => setTimeout(resolve, n % 3));
  }
  await dozing.close();
});
