// What is worth remembering of an immutable file list: its metadata, and where its row groups end in path order,
// so that a page reads the few row groups it needs instead of the whole file.

import { stat } from 'node:fs/promises';
import { StatusError } from '@tapestry/status';
import { FILE_LIST_FORMAT, FILE_LIST_KEY } from '../build/join.ts';
import type { PathText } from '../path-text.ts';
import { comparePaths } from './cursor.ts';
import type { QueryEngine } from './query-engine.ts';
import type { FileListRef } from './types.ts';

const REMEMBERED_MAX = 512;

export interface ListFacts {
  readonly prefix: PathText;
  /** True when the server's own paths have the prefix in front, too. */
  readonly pathsCarryPrefix: boolean;
  readonly rows: number;
  /** Last path of each row group, rising; a group whose last path is not recorded is left out. */
  readonly groupEnds: readonly PathText[];
}

export class ListFactsCache {
  readonly #engine: QueryEngine;
  readonly #known = new Map<string, ListFacts>();

  constructor(engine: QueryEngine) {
    this.#engine = engine;
  }

  /** Errors: fileOpenFailed, fileReadFailed (not a file list, or one of a newer format). */
  async of(ref: FileListRef): Promise<ListFacts> {
    const found = await stat(ref.file).catch((cause: Error) => {
      const detail = `file list ${ref.id}: ${cause.message}`;
      throw new StatusError('fileOpenFailed', detail, { listId: ref.id }, { cause });
    });
    const key = `${ref.file}\n${found.size}\n${found.mtimeMs}`;
    const known = this.#known.get(key);
    this.#known.delete(key);
    const facts = known ?? (await this.#read(ref));
    this.#known.set(key, facts);
    if (this.#known.size > REMEMBERED_MAX) {
      this.#known.delete(this.#known.keys().next().value as string);
    }
    return facts;
  }

  async #read(ref: FileListRef): Promise<ListFacts> {
    const params = { file: ref.file };
    const [about] = await this.#engine.rows({
      sql: `SELECT decode(value) FROM parquet_kv_metadata($file)
        WHERE decode(key) = '${FILE_LIST_KEY}'`,
      params,
    });
    const { format, prefix, pathsCarryPrefix } = JSON.parse((about?.[0] as string) ?? '{}');
    if (format !== FILE_LIST_FORMAT) {
      throw new StatusError(
        'fileReadFailed',
        format === undefined
          ? `${ref.file} is not a file list`
          : `${ref.file} has format ${format}; this release reads ${FILE_LIST_FORMAT}`,
      );
    }
    const groups = await this.#engine.rows({
      sql: `SELECT row_group_num_rows, stats_max_value FROM parquet_metadata($file)
        WHERE path_in_schema = 'path' ORDER BY row_group_id`,
      params,
    });
    const groupEnds = groups.map(([, end]) => end as string | null).filter((end) => end !== null);
    const rows = groups.reduce((sum, [count]) => sum + Number(count), 0);
    return { prefix, pathsCarryPrefix, rows, groupEnds };
  }
}

/** Where a window of about `groups` row groups ends that starts behind `after`; undefined: at the end of all. */
export function windowEnd(
  lists: readonly ListFacts[],
  after: PathText,
  groups: number,
): PathText | undefined {
  let end: PathText | undefined;
  for (const { groupEnds } of lists) {
    const first = firstBehind(groupEnds, after);
    const candidate = groupEnds[first + groups - 1];
    if (candidate !== undefined && (end === undefined || comparePaths(candidate, end) < 0)) {
      end = candidate;
    }
  }
  return end;
}

/** Index of the first end that lies behind `after`. */
function firstBehind(ends: readonly PathText[], after: PathText): number {
  let low = 0;
  let high = ends.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (comparePaths(ends[middle] as PathText, after) > 0) high = middle;
    else low = middle + 1;
  }
  return low;
}
