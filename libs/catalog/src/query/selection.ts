// What a restore selection means in one image: which of the named paths exist, what lies below them, and in which
// order the NDMP server should be asked for it.

import type { PathText } from '../path-text.ts';
import { comparePaths, type PathRange, rangeBelow, rangeOf } from './cursor.ts';
import type { QueryEngine } from './query-engine.ts';
import type { FileListEntry, FileListRef, Selection } from './types.ts';
import { COLUMNS, toEntry } from './walk.ts';

export interface Selected {
  readonly ref: FileListRef;
  /** Canonical and distinct. */
  readonly paths: readonly PathText[];
  /** What the user named that is no path of any image. */
  readonly invalid: readonly PathText[];
}

/** Entries with exactly these paths. */
export async function lookupPaths(
  engine: QueryEngine,
  refs: readonly FileListRef[],
  paths: readonly PathText[],
): Promise<FileListEntry[]> {
  const sorted = [...paths].sort(comparePaths);
  const [low, high] = [sorted[0], sorted.at(-1)];
  if (low === undefined || high === undefined) return [];
  const arms = refs.map(
    (_, list) => `SELECT ${COLUMNS}, ${list}::INTEGER AS list FROM read_parquet($file${list})
      WHERE path >= $low AND path <= $high AND path IN (SELECT unnest($paths))`,
  );
  const files = Object.fromEntries(refs.map(({ file }, list) => [`file${list}`, file]));
  const rows = await engine.rows({
    sql: `${arms.join(' UNION ALL ')} ORDER BY path, list`,
    params: { ...files, low, high, paths: await engine.listOf(sorted) },
  });
  return rows.map((row) => toEntry(refs, row));
}

export async function resolveSelection(
  engine: QueryEngine,
  selected: Selected,
  limit: number,
): Promise<Selection> {
  const found = await lookupPaths(engine, [selected.ref], selected.paths);
  const roots = uncovered(found);
  const there = new Set(found.map(({ path }) => path));
  const missing = [...selected.invalid, ...selected.paths.filter((path) => !there.has(path))];
  const items: FileListEntry[] = [];
  if (limit > 0 && roots.length > 0) {
    const query = await selectionQuery(engine, selected.ref, roots);
    const rows = await engine.rows({ ...query, sql: `${query.sql} LIMIT ${limit}` });
    items.push(...rows.map((row) => toEntry([selected.ref], row)));
  }
  return { roots, missing, items, ...(await totalsOf(engine, selected.ref, roots)) };
}

export async function* streamSelected(
  engine: QueryEngine,
  selected: Selected,
  options: { signal?: AbortSignal },
): AsyncGenerator<FileListEntry[]> {
  const roots = uncovered(await lookupPaths(engine, [selected.ref], selected.paths));
  if (roots.length === 0) return;
  const query = await selectionQuery(engine, selected.ref, roots);
  for await (const rows of engine.batches({ ...query, signal: options.signal })) {
    yield rows.map((row) => toEntry([selected.ref], row));
  }
}

/** Without entries that a selected directory covers, and without names that are not in the image at all. */
function uncovered(found: readonly FileListEntry[]): FileListEntry[] {
  const roots: FileListEntry[] = [];
  const directories = new Set<PathText>();
  for (const entry of found) {
    if (!entry.saved && entry.type !== 'dir') continue;
    if (ancestorsOf(entry.path).some((path) => directories.has(path))) continue;
    if (entry.type === 'dir') directories.add(entry.path);
    roots.push(entry);
  }
  return roots;
}

function ancestorsOf(path: PathText): PathText[] {
  if (path === '/') return [];
  const ancestors: PathText[] = ['/'];
  for (let at = path.indexOf('/', 1); at > 0; at = path.indexOf('/', at + 1)) {
    ancestors.push(path.slice(0, at));
  }
  return ancestors;
}

/** The roots and what is below them as ranges of paths; they never overlap. */
function rangesOf(roots: readonly FileListEntry[]): PathRange[] {
  return roots.flatMap(({ path, type }) =>
    type === 'dir' ? [rangeOf(path), rangeBelow(path)] : [rangeOf(path)],
  );
}

async function rangeParams(engine: QueryEngine, ref: FileListRef, roots: readonly FileListEntry[]) {
  const ranges = rangesOf(roots);
  const lows = ranges.map(({ low }) => low);
  const highs = ranges.map(({ high }) => high);
  return {
    file: ref.file,
    lows: await engine.listOf(lows),
    highs: await engine.listOf(highs),
    // Bounds of all ranges, so that row groups outside are not read.
    low: [...lows].sort(comparePaths)[0] as string,
    high: [...highs].sort(comparePaths).at(-1) as string,
  };
}

const SELECTED = `read_parquet($file) AS list
  JOIN (SELECT unnest($lows) AS low, unnest($highs) AS high) AS range
    ON list.path >= range.low AND list.path < range.high
  WHERE list.path >= $low AND list.path < $high AND saved`;

async function selectionQuery(
  engine: QueryEngine,
  ref: FileListRef,
  roots: readonly FileListEntry[],
) {
  return {
    sql: `SELECT ${COLUMNS}, 0::INTEGER FROM ${SELECTED} ORDER BY fh_info NULLS LAST, path`,
    params: await rangeParams(engine, ref, roots),
  };
}

async function totalsOf(engine: QueryEngine, ref: FileListRef, roots: readonly FileListEntry[]) {
  if (roots.length === 0) {
    return { entries: 0, files: 0, bytes: 0n, wholeImage: false, direct: false };
  }
  const [row] = await engine.rows({
    sql: `SELECT count(*)::DOUBLE, (count(*) FILTER (type = 'file'))::DOUBLE,
        coalesce(sum(size) FILTER (type = 'file'), 0)::HUGEINT,
        count(*) = count(fh_info) AND max(fh_info) > 0,
        count(*) = (SELECT count(*) FROM read_parquet($file) WHERE saved)
      FROM ${SELECTED}`,
    params: await rangeParams(engine, ref, roots),
  });
  const [entries, files, bytes, direct, whole] = row as [number, number, bigint, boolean, boolean];
  return { entries, files, bytes, direct: direct === true, wholeImage: whole && entries > 0 };
}
