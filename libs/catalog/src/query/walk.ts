// An ordered walk over file lists, page by page: every query looks at a window of row groups that grows while
// nothing is found. All paths and patterns are bound parameters; only column names and numbers are in the SQL.

import type { Params } from '../duckdb.ts';
import type { FileType } from '../spool/entry.ts';
import { type Cursor, comparePaths, encodeCursor, type PathRange } from './cursor.ts';
import { type ListFacts, windowEnd } from './list-facts.ts';
import type { QueryEngine, Row } from './query-engine.ts';
import type { FileListEntry, FileListRef, Page } from './types.ts';

const WINDOW_FIRST_GROUPS = 2;
const WINDOW_MAX_GROUPS = 256;
const WINDOW_GROWTH = 4;
export const COLUMNS = 'path, name, type, size, mtime, mode, uid, gid, node, fh_info, saved';

export interface Walk {
  readonly refs: readonly FileListRef[];
  readonly facts: readonly ListFacts[];
  readonly range: PathRange;
  readonly after: Cursor | undefined;
  readonly limit: number;
  readonly merge: 'all' | 'newest';
  /** A condition over the columns, the same for each list or one a list. */
  readonly where: (list: number) => string;
  readonly params: Params;
}

/** One page of a walk; `next` is absent once the range is through. */
export async function readPage(engine: QueryEngine, walk: Walk): Promise<Page> {
  const entries: FileListEntry[] = [];
  let last: Cursor = walk.after ?? { path: walk.range.low, list: -1 };
  for (
    let groups = WINDOW_FIRST_GROUPS;
    ;
    groups = Math.min(groups * WINDOW_GROWTH, WINDOW_MAX_GROUPS)
  ) {
    const end = windowEnd(walk.facts, last.path, groups);
    const missing = walk.limit - entries.length;
    const rows = await engine.rows(windowQuery(walk, last, end, missing + 1));
    for (const row of rows.slice(0, missing)) entries.push(toEntry(walk.refs, row));
    if (rows.length > missing) {
      const row = rows[missing - 1];
      const before = row ? cursorOf(row, walk.merge) : last;
      return { entries, next: encodeCursor(before) };
    }
    if (end === undefined || comparePaths(end, walk.range.high) >= 0) {
      return { entries, next: undefined };
    }
    last = { path: end, list: Number.POSITIVE_INFINITY };
  }
}

function cursorOf(row: Row, merge: Walk['merge']): Cursor {
  const list = merge === 'newest' ? Number.POSITIVE_INFINITY : (row[LIST_AT] as number);
  return { path: row[0] as string, list };
}

function windowQuery(walk: Walk, last: Cursor, end: string | undefined, limit: number) {
  const arms = walk.refs.map((_, list) => {
    const from = list > last.list ? '>=' : '>';
    const to = end === undefined ? '' : 'AND path <= $window_end';
    return `SELECT ${COLUMNS}, ${list}::INTEGER AS list FROM read_parquet($file${list})
      WHERE path ${from} $last AND path >= $low AND path < $high ${to} AND (${walk.where(list)})`;
  });
  const newest = `QUALIFY row_number() OVER (PARTITION BY path ORDER BY saved DESC, list DESC) = 1`;
  const files = Object.fromEntries(walk.refs.map(({ file }, list) => [`file${list}`, file]));
  return {
    sql: `SELECT * FROM (${arms.join(' UNION ALL ')})
      ${walk.merge === 'newest' ? newest : ''} ORDER BY path, list LIMIT ${limit}`,
    params: {
      ...walk.params,
      ...files,
      last: last.path,
      low: walk.range.low,
      high: walk.range.high,
      ...(end === undefined ? {} : { window_end: end }),
    },
  };
}

/** Index of the list's number behind COLUMNS. */
const LIST_AT = 11;

/** A row of COLUMNS and the list's number. */
export function toEntry(refs: readonly FileListRef[], row: Row): FileListEntry {
  const known = (value: unknown) => (value === null ? undefined : (value as number));
  return {
    listId: (refs[row[LIST_AT] as number] as FileListRef).id,
    path: row[0] as string,
    name: row[1] as string,
    type: row[2] as FileType,
    sizeBytes: row[3] as bigint,
    mtimeS: known(row[4]),
    mode: known(row[5]),
    uid: known(row[6]),
    gid: known(row[7]),
    node: row[8] as bigint,
    fhInfo: row[9] === null ? undefined : (row[9] as bigint),
    saved: row[10] as boolean,
  };
}
