// What a restore selection means in one image: which of the named paths exist, what lies below them, and in which
// order the NDMP server should be asked for it.

import type { Params } from '../duckdb.ts';
import type { PathText } from '../path-text.ts';
import { comparePaths, type PathRange, rangeBelow } from './cursor.ts';
import type { QueryEngine } from './query-engine.ts';
import type { FileListEntry, FileListRef, Selection } from './types.ts';
import { COLUMNS, toEntry } from './walk.ts';

/** Up to this many directories are looked at one by one. */
const CONDITIONS_MAX = 32;

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
  options: { signal?: AbortSignal; timeoutMs?: number },
): AsyncGenerator<FileListEntry[]> {
  const roots = uncovered(await lookupPaths(engine, [selected.ref], selected.paths));
  if (roots.length === 0) return;
  const query = await selectionQuery(engine, selected.ref, roots);
  for await (const rows of engine.batches({ ...query, ...options })) {
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

/**
 * The saved rows of a selection: its roots by their paths, and what is below its directories by ranges, which never
 * overlap. A few ranges are plain conditions, which need no memory; many are a join.
 */
async function selectedRows(
  engine: QueryEngine,
  ref: FileListRef,
  roots: readonly FileListEntry[],
): Promise<{ sql: string; params: Params }> {
  const points = roots.map(({ path }) => path);
  const ranges = roots.filter(({ type }) => type === 'dir').map(({ path }) => rangeBelow(path));
  const params: Params = {
    file: ref.file,
    points: await engine.listOf(points),
    first_point: points[0] as string,
    last_point: points.at(-1) as string,
  };
  const arms = [
    `SELECT ${COLUMNS} FROM read_parquet($file) WHERE saved
      AND path >= $first_point AND path <= $last_point AND path IN (SELECT unnest($points))`,
  ];
  if (ranges.length > CONDITIONS_MAX) {
    params.lows = await engine.listOf(ranges.map(({ low }) => low));
    params.highs = await engine.listOf(ranges.map(({ high }) => high));
    // Bounds of all ranges, so that row groups outside are not read.
    params.low = ranges[0]?.low as string;
    params.high = (ranges.at(-1) as PathRange).high;
    arms.push(`SELECT ${COLUMNS} FROM read_parquet($file)
      JOIN (SELECT unnest($lows) AS low, unnest($highs) AS high) AS range
        ON path >= range.low AND path < range.high
      WHERE saved AND path >= $low AND path < $high`);
  } else {
    for (const [index, { low, high }] of ranges.entries()) {
      params[`low${index}`] = low;
      params[`high${index}`] = high;
      arms.push(`SELECT ${COLUMNS} FROM read_parquet($file)
        WHERE saved AND path >= $low${index} AND path < $high${index}`);
    }
  }
  return { sql: arms.join(' UNION ALL '), params };
}

async function selectionQuery(
  engine: QueryEngine,
  ref: FileListRef,
  roots: readonly FileListEntry[],
): Promise<{ sql: string; params: Params }> {
  const { sql, params } = await selectedRows(engine, ref, roots);
  return {
    sql: `SELECT *, 0::INTEGER FROM (${sql}) ORDER BY fh_info NULLS LAST, path`,
    params,
  };
}

async function totalsOf(engine: QueryEngine, ref: FileListRef, roots: readonly FileListEntry[]) {
  if (roots.length === 0) {
    return { entries: 0, files: 0, bytes: 0n, wholeImage: false, direct: false };
  }
  const { sql, params } = await selectedRows(engine, ref, roots);
  const [row] = await engine.rows({
    sql: `SELECT count(*)::DOUBLE, (count(*) FILTER (type = 'file'))::DOUBLE,
        coalesce(sum(size) FILTER (type = 'file'), 0)::HUGEINT,
        count(*) = count(fh_info) AND max(fh_info) > 0,
        count(*) = (SELECT count(*) FROM read_parquet($file) WHERE saved)
      FROM (${sql})`,
    params,
  });
  const [entries, files, bytes, direct, whole] = row as [number, number, bigint, boolean, boolean];
  return { entries, files, bytes, direct: direct === true, wholeImage: whole && entries > 0 };
}
