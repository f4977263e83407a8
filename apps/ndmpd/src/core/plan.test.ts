// What a start's environment and name list mean: cases, without a server.

import {
  DATA_OPERATION,
  type NameEntry,
  NDMP_ERROR,
  RECOVERY_STATUS,
  U64_MAX,
} from '@tapestry/ndmp';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { BackupOrder } from './data-protocol.ts';
import { locate, showPath, splitPath } from './export-path.ts';
import { withVariables } from './operation-env.ts';
import { type BaseRecord, type Plan, type PlanFacts, planOperation } from './operation-plan.ts';
import { runEnd } from './recovery-status.ts';
import { Selection, type SelectionOrder } from './selection.ts';

const exports = [
  { name: 'home', directory: '/srv/home' },
  { name: 'ho', directory: '/srv/other' },
];
const nowNs = 1_700_000_000_000_000_000n;
const nothing = JSON.stringify({ exclude: [], include: [] });
const directories = new Uint8Array(8);
const base = (dateNs: bigint): BaseRecord => ({ dateNs, selection: nothing, directories });
const facts: PlanFacts = {
  exports,
  version: 4,
  nowNs,
  baseOf: (series, level) => (series === '/home' && level > 0 ? base(42n) : undefined),
  sizeOf: (series, kind) => (series === '/home' && kind === 'full' ? 99n : undefined),
  tokenOf: (series, dateNs) => (series === '/home' && dateNs === 7n ? base(7n) : undefined),
};
const plan = (values: Record<string, string>, butype = 'tar') =>
  planOperation(
    { operation: DATA_OPERATION.backup, butype, env: withVariables([], values), names: [] },
    facts,
  );
const envOf = (made: unknown): Record<string, string> =>
  Object.fromEntries((made as Plan).env.map(({ name, value }) => [name, value]));

describe('backup environment', () => {
  test.each([
    [{}, 'FILESYSTEM is missing'],
    [{ FILESYSTEM: '/etc' }, 'not in any export'],
    [{ FILESYSTEM: '/home/../etc' }, 'not in any export'],
    [{ FILESYSTEM: '/home', HIST: 'x' }, 'HIST=x'],
    [{ FILESYSTEM: '/home', LEVEL: '10' }, 'LEVEL=10'],
    [{ FILESYSTEM: '/home', BASE_DATE: 'yesterday' }, 'BASE_DATE=yesterday'],
  ])('%o is refused', (values, why) => {
    const made = plan(values as Record<string, string>);
    expect(made).toMatchObject({ error: NDMP_ERROR.illegalArgs });
    expect((made as { text: string }).text).toContain(why);
  });

  test('an unknown type is refused', () => {
    expect(plan({ FILESYSTEM: '/home' }, 'zfs')).toMatchObject({ error: NDMP_ERROR.illegalArgs });
  });

  test.each([
    ['n', 'none'],
    ['', 'none'],
    ['Y', 'file'],
    ['f', 'file'],
    ['D', 'dir'],
  ])('HIST=%s means %s', (value, history) => {
    expect(plan({ FILESYSTEM: '/home/a/', HIST: value })).toMatchObject({ order: { history } });
  });

  test('HIST=y means what DMAs expect of each type', () => {
    const env = { FILESYSTEM: '/home', HIST: 'y' };
    expect(plan(env, 'dump')).toMatchObject({ order: { history: 'dir' } });
    expect(plan(env, 'tar')).toMatchObject({ order: { history: 'file' } });
  });

  const since = (sinceNs: bigint) => ({ sinceNs, directories });
  const all = { sinceNs: undefined, directories: undefined };
  test.each([
    ['a full backup', {}, undefined, '0', 0],
    ['a level', { LEVEL: '2' }, since(42n), '2', 2],
    ['a level that is not recorded', { LEVEL: '2', UPDATE: 'n' }, since(42n), '2', undefined],
    ['tokens switched off', { LEVEL: '2', BASE_DATE: '-1' }, since(42n), '2', 2],
    ['a token wins over a level', { LEVEL: '2', BASE_DATE: '7' }, since(7n), '0', undefined],
    ['the start of a chain', { BASE_DATE: '0' }, undefined, '0', undefined],
    ['a series without a base', { LEVEL: '1', DMP_NAME: 'weekly' }, undefined, '0', 0],
    ['a token nobody remembers', { BASE_DATE: '8' }, all, '0', undefined],
    ['another selection', { BASE_DATE: '7', EXCLUDE: '*.o' }, all, '0', undefined],
  ])('%s', (_what, values, expected, level, recorded) => {
    const made = plan({ FILESYSTEM: '/home', ...(values as Record<string, string>) }) as Plan;
    expect((made.order as BackupOrder).base).toEqual(expected);
    expect(envOf(made).LEVEL).toBe(level);
    expect(made.dumpDate?.level).toBe(recorded);
    const isMeasured = expected === undefined && !('DMP_NAME' in (values as object));
    expect(made.expectedBytes).toBe(isMeasured ? 99n : undefined);
    expect(BigInt(envOf(made).DUMP_DATE as string)).toBeLessThan(nowNs);
  });

  test('patterns come as lists, as several values, and with escaped commas', () => {
    const env = [
      ...withVariables([], { FILESYSTEM: '/home', FILES: 'a/*.c,b', MULTI_SUBTREE_NAMES: 'x\ny' }),
      { name: 'EXCLUDE', value: '*.o,with\\,comma' },
      { name: 'EXCLUDE', value: 'tmp' },
    ];
    const request = { operation: DATA_OPERATION.backup, butype: 'tar', env, names: [] };
    expect(planOperation(request, facts)).toMatchObject({
      order: { exclude: ['*.o', 'with,comma', 'tmp'], include: ['a/*.c', 'b', '/x', '/y'] },
    });
  });
});

describe('export paths', () => {
  test('longest name, not longest prefix, decides', () => {
    expect(locate(exports, '/ho/x')?.export.directory).toBe('/srv/other');
    expect(locate(exports, '//home/./a//b/')?.components.map(String)).toEqual(['a', 'b']);
    expect(locate(exports, '/')).toBeUndefined();
  });

  test('no path leads above its export', () => {
    const part = fc.constantFrom('..', '.', '', 'a', 'home', '\u0000', 'b..');
    fc.assert(
      fc.property(fc.array(part), (parts) => {
        const place = locate(exports, `/home/${parts.join('/')}`);
        if (place === undefined) return;
        expect(place.components.every((c) => !['..', '.', ''].includes(c.toString()))).toBe(true);
        expect(locate(exports, showPath(place))).toEqual(place);
      }),
    );
  });
});

describe('name lists', () => {
  const order: SelectionOrder = { exports, filesystem: '/home/data', version: 4, recursive: true };
  const entry = (originalPath: string, destinationPath: string, name = ''): NameEntry => ({
    originalPath,
    destinationPath,
    name,
    otherName: '',
    node: 0n,
    fhInfo: U64_MAX,
  });
  const target = (selection: Selection, path: string): string | undefined => {
    const place = selection.destinationOf(splitPath(path) ?? []);
    return place === undefined ? undefined : showPath(place);
  };

  test.each([
    ['everything', entry('', '/home/new'), 'a/b', '/home/new/a/b'],
    ['a subtree', entry('/a', '/home/new'), 'a/b', '/home/new/b'],
    ['a sibling of the same beginning', entry('/a', '/home/new'), 'ab', undefined],
    ['a directory and a name', entry('/a/b', '/home', 'c'), 'a/b', '/home/c'],
    ['the file system in front', entry('/home/data/a', '/home/x'), 'a', '/home/x'],
    ['./ and a slash behind', entry('./a/', '/home/x'), 'a', '/home/x'],
    ['no destination', entry('/a', ''), 'a/b', '/home/data/a/b'],
  ])('%s', (_what, element, path, expected) => {
    expect(target(new Selection([element], order), path)).toBe(expected);
  });

  test('v3 puts the object into the destination under its own or a new name', () => {
    const v3 = { ...order, version: 3 };
    expect(target(new Selection([entry('/a/b', '/home/x')], v3), 'a/b')).toBe('/home/x/b');
    expect(target(new Selection([entry('/a/b', '/home/x', 'c')], v3), 'a/b')).toBe('/home/x/c');
  });

  test('the innermost of nested elements wins', () => {
    const selection = new Selection([entry('/a', '/home/1'), entry('/a/b', '/home/2')], order);
    expect(target(selection, 'a/x')).toBe('/home/1/x');
    expect(target(selection, 'a/b/x')).toBe('/home/2/x');
    expect(selection.outermost.map(({ entry: e }) => e.originalPath)).toEqual(['/a']);
  });

  test.each([
    ['in the last component', '/a/*.txt', 'a/b.txt', '/home/new/b.txt'],
    ['everything below what matches', '/a/b*', 'a/bc/d', '/home/new/bc/d'],
    ['in the middle', '/a/*/c', 'a/b/c', '/home/new/b/c'],
    ['not across a slash', '/a/*.txt', 'a/b/c.txt', undefined],
    ['a name that is written so', '/a/[x]', 'a/[x]', '/home/new'],
  ])('wildcards %s', (_what, original, path, expected) => {
    const selection = new Selection([entry(original, '/home/new')], order);
    expect(target(selection, path)).toBe(expected);
    expect(selection.hasOffsets).toBe(false);
  });

  test('an export for reading only takes nothing', () => {
    const readOnly = { ...order, exports: [{ name: 'ro', directory: '/srv', readOnly: true }] };
    expect(new Selection([entry('/a', '/ro/a')], readOnly).refused).toMatchObject([
      { status: RECOVERY_STATUS.failedPermission },
    ]);
  });

  test('without recursion only the named objects are wanted', () => {
    const selection = new Selection([entry('/a', '/home/1')], { ...order, recursive: false });
    expect(target(selection, 'a')).toBe('/home/1');
    expect(target(selection, 'a/b')).toBeUndefined();
  });

  test('elements that can never work say why', () => {
    const names = [entry('/a', '/etc'), entry('/../a', '/home/x')];
    expect(new Selection(names, order).refused).toMatchObject([
      { status: RECOVERY_STATUS.failedPermission },
      { status: RECOVERY_STATUS.failedNotFound },
    ]);
  });

  test('direct access needs every offset', () => {
    const known = { ...entry('/a', '/home/1'), fhInfo: 512n };
    expect(new Selection([known], order).hasOffsets).toBe(true);
    expect(new Selection([known, entry('/b', '/home/2')], order).hasOffsets).toBe(false);
    expect(new Selection([{ ...known, fhInfo: 0n }], order).hasOffsets).toBe(false);
    expect(new Selection([{ ...entry('', '/home/1'), fhInfo: 0n }], order).hasOffsets).toBe(true);
  });
});

test.each([
  [[0, 1000, 2000], 0, 2000],
  [[0, 1000, 10_000_000], 0, 1000],
  [[5], 0, 5],
  [[0, 300_000], 0, 0],
])('offsets %o from %i are one run up to %i', (offsets, index, end) => {
  expect(runEnd(offsets, index)).toBe(end);
});
