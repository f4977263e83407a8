import type { FileRow, RestoreStep } from '@tapestry/contracts';
import { beforeAll, expect, test } from 'vitest';
import { backUp, withBpdbm } from './fixture.ts';

const world = withBpdbm();
const client = 'filer';
const ids: Record<string, string> = {};

beforeAll(async () => {
  const home = { client, path: '/vol/home' };
  const full = await backUp(world, home, ['./', 'ann/', 'ann/old', 'ann/both', 'bob/', 'bob/b']);
  const first = await backUp(world, { ...home, type: 'INCR' }, [
    './',
    'ann/',
    'ann/both',
    'ann/new',
  ]);
  const second = await backUp(world, { ...home, type: 'INCR' }, ['./', 'bob/', 'bob/c']);
  const data = await backUp(world, { client, path: '/vol/data' }, ['./', 'd']);
  Object.assign(ids, {
    ...{ full: full.backupId, first: first.backupId, second: second.backupId },
    data: data.backupId,
  });
});

const text = (bytes: Uint8Array) => Buffer.from(bytes).toString();
const shown = (files: FileRow[]) => files.map((row) => [text(row.path), row.backupId]);

async function list(path: string, more: object = {}) {
  return await world.cli.ListFiles({ client, path: Buffer.from(path), ...more });
}

async function plan(paths: string[], more: object = {}) {
  return await world.asBprd.PlanRestore({
    client,
    paths: paths.map((p) => Buffer.from(p)),
    ...more,
  });
}

const steps = (list: RestoreStep[]) =>
  list.map((step) => [
    step.backupId,
    step.entries.map((entry) => text(entry.originalPath)),
    step.directAccess,
  ]);

test('files of a client come from the newest image that has them', async () => {
  const { files, more } = await list('/vol/home/ann');
  expect(more).toBe(false);
  expect(shown(files)).toEqual([
    ['/vol/home/ann/both', ids.first],
    ['/vol/home/ann/new', ids.first],
    ['/vol/home/ann/old', ids.full],
  ]);
  expect(files[2]).toMatchObject({ type: 'file', sizeBytes: 100n, mtimeS: 5n });
});

test('the root, a file, everything, a pattern, pages, and a time before the incrementals', async () => {
  expect((await list('')).files.map((row) => text(row.path))).toEqual(['/vol']);
  expect(shown((await list('/vol/home/bob/c')).files)).toEqual([['/vol/home/bob/c', ids.second]]);
  const all = (await list('/vol', { recursionDepth: 999 })).files.map((row) => text(row.path));
  expect(all).toContain('/vol/data/d');
  expect(all).toContain('/vol/home/bob/c');
  const found = await list('/vol', { recursionDepth: 999, pattern: 'b*h' });
  expect(found.files.map((row) => text(row.path))).toEqual(['/vol/home/ann/both']);
  const first = await list('/vol', { recursionDepth: 999, limit: 4 });
  expect(first.more).toBe(true);
  const afterPath = first.files.at(-1)!.path;
  const rest = await list('/vol', { recursionDepth: 999, afterPath });
  expect([...first.files, ...rest.files].map((row) => text(row.path))).toEqual(all);
  const endS = BigInt(ids.full!.split('_')[1]!);
  expect(shown((await list('/vol/home/ann', { endS })).files)).toEqual([
    ['/vol/home/ann/both', ids.full],
    ['/vol/home/ann/old', ids.full],
  ]);
  expect((await list('/nowhere')).files).toEqual([]);
});

test('a file is restored from one image by direct access, with its place', async () => {
  const { steps: planned, files, bytes, missing } = await plan(['/vol/home/ann/both']);
  expect(steps(planned)).toEqual([[ids.first, ['/vol/home/ann/both'], true]]);
  expect(planned[0]).toMatchObject({
    ...{ level: 1, butype: 'dump', copy: 1, imageBytes: 5_000n, path: '/vol/home' },
    entries: [{ fhInfo: 3_072n, directory: false, sizeBytes: 100n, node: 12n }],
    fragments: [{ mediaId: 'A00001' }],
    env: [{ name: 'DUMP_DATE', value: `date-of-${ids.first}` }],
  });
  expect([files, bytes, missing]).toEqual([1n, 100n, []]);
});

test('a folder is restored from every image of the chain that has something of it, full first', async () => {
  const { steps: planned } = await plan(['/vol/home/ann']);
  expect(steps(planned)).toEqual([
    [ids.full, ['/vol/home/ann'], false],
    [ids.first, ['/vol/home/ann'], false],
  ]);
  const whole = await plan(['/vol/home']);
  expect(whole.steps.map((step) => step.backupId)).toEqual([ids.full, ids.first, ids.second]);
});

test('what another selected path covers is asked for once, and what is missing is named', async () => {
  const both = await plan([
    '/vol/home/ann/old',
    '/vol/home/bob/c',
    '/vol/home/ann',
    '/vol/home/zoe',
  ]);
  expect(steps(both.steps)).toEqual([
    [ids.full, ['/vol/home/ann'], false],
    [ids.first, ['/vol/home/ann'], false],
    [ids.second, ['/vol/home/bob/c'], true],
  ]);
  expect(both.missing.map(text)).toEqual(['/vol/home/zoe']);
  await expect(plan(['/vol/home/zoe'])).rejects.toThrow(/190/);
  await expect(plan(['/vol/../etc'])).rejects.toThrow(/104/);
});

test('a path above what was backed up takes in all of it', async () => {
  const { steps: planned } = await plan(['/vol']);
  expect(steps(planned)).toEqual([
    [ids.full, ['/vol/home'], false],
    [ids.first, ['/vol/home'], false],
    [ids.second, ['/vol/home'], false],
    [ids.data, ['/vol/data'], false],
  ]);
});

test('a named image is read alone', async () => {
  const { steps: planned } = await plan(['/vol/home/ann'], { backupId: ids.first });
  expect(steps(planned)).toEqual([[ids.first, ['/vol/home/ann'], false]]);
  await expect(plan(['/vol'], { backupId: 'filer_1' })).rejects.toThrow(/227/);
});
