// Questions about one or many file lists. Results are bounded (pages, or a stream), ordered bytewise by path,
// and the same for the same files; nothing here writes to a file list.

import { StatusError } from '@tapestry/status';
import { normalizePath, type PathText } from '../path-text.ts';
import { decodeCursor, rangeBelow } from './cursor.ts';
import { type ListFacts, ListFactsCache } from './list-facts.ts';
import { patternToRegex } from './pattern.ts';
import { QueryEngine } from './query-engine.ts';
import { lookupPaths, resolveSelection, type Selected, streamSelected } from './selection.ts';
import type {
  FileListEntry,
  FileListRef,
  ListOptions,
  Page,
  PageOptions,
  SearchOptions,
  Selection,
} from './types.ts';
import { readPage, type Walk } from './walk.ts';

const LIMIT_DEFAULT = 1000;
export const LIMIT_MAX = 10_000;
const REFS_MAX = 256;
const PATHS_MAX = 100_000;

export interface FileListReaderOptions {
  /** For what does not fit in memory: a folder of this reader alone, which it makes and removes. */
  readonly tempDir: string;
  /** Default 512 MiB. */
  readonly memoryLimitBytes?: number;
  /** Default 2. */
  readonly threads?: number;
  /** Queries at once; others wait. Default 4. */
  readonly queriesMax?: number;
  /** Queries that may wait; one more is refused (cannotProcess). Default 64. */
  readonly waitingMax?: number;
  /** Default 60 s. */
  readonly queryTimeoutMs?: number;
  /** After this long without a query the engine gives its memory back. Default 60 s. */
  readonly idleMs?: number;
}

/**
 * Errors of all methods: fileOpenFailed and fileReadFailed (a file list is absent or damaged), invalidParameter,
 * requestTimedOut, cannotProcess (too many queries wait), cancelled (closed meanwhile).
 */
export class FileListReader {
  readonly #engine: QueryEngine;
  readonly #facts: ListFactsCache;

  constructor(options: FileListReaderOptions) {
    this.#engine = new QueryEngine({
      spillFolder: options.tempDir,
      memoryLimitBytes: options.memoryLimitBytes ?? 512 * 1024 * 1024,
      threads: options.threads ?? 2,
      queriesMax: options.queriesMax ?? 4,
      waitingMax: options.waitingMax ?? 64,
      queryTimeoutMs: options.queryTimeoutMs ?? 60_000,
      idleMs: options.idleMs ?? 60_000,
    });
    this.#facts = new ListFactsCache(this.#engine);
  }

  /** Prefix, form and number of rows of a file list. */
  async describe(ref: FileListRef): Promise<Omit<ListFacts, 'groupEnds'>> {
    const { groupEnds: _, ...facts } = await this.#facts.of(ref);
    return facts;
  }

  /** The entries that have exactly these paths, sorted by path, then list; unsaved ones included. */
  async lookup(refs: readonly FileListRef[], paths: readonly PathText[]): Promise<FileListEntry[]> {
    checkCount('file lists', refs.length, REFS_MAX);
    checkCount('paths', paths.length, LIMIT_MAX);
    await Promise.all(refs.map((ref) => this.#facts.of(ref)));
    return await lookupPaths(this.#engine, refs, knownPaths(paths).paths);
  }

  /** What lies below a directory, without itself; nothing for a file or an unknown path. */
  async list(
    refs: readonly FileListRef[],
    directory: PathText,
    options: ListOptions = {},
  ): Promise<Page> {
    const base = directoryOf(directory);
    const walk = await this.#walk(refs, base, options);
    const conditions = [shownOf(options)];
    const params: Walk['params'] = {};
    if (options.namePattern !== undefined) {
      conditions.push('regexp_full_match(name, $pattern)');
      params.pattern = patternToRegex(options.namePattern, false);
    }
    if (options.depth === 1) {
      const parents = await this.#ordinals(walk);
      const where = (list: number) => [...conditions, `parent = ${parents[list] ?? -1}`];
      return await readPage(this.#engine, {
        ...walk,
        params,
        where: (list) => where(list).join(' AND '),
      });
    }
    if (options.depth !== undefined) {
      const slashes = (base === '/' ? 0 : base.split('/').length - 1) + options.depth;
      conditions.push(`length(path) - length(replace(path, '/', '')) <= ${Math.floor(slashes)}`);
    }
    return await readPage(this.#engine, { ...walk, params, where: () => conditions.join(' AND ') });
  }

  /** Entries whose name matches, in path order. */
  async search(refs: readonly FileListRef[], options: SearchOptions): Promise<Page> {
    const walk = await this.#walk(refs, directoryOf(options.under ?? '/'), options);
    const conditions = [shownOf(options)];
    const params: Walk['params'] = {};
    if (options.nameContains !== undefined) {
      conditions.push(
        options.ignoreCase ? 'contains(lower(name), lower($text))' : 'contains(name, $text)',
      );
      params.text = options.nameContains;
    }
    if (options.namePattern !== undefined) {
      conditions.push('regexp_full_match(name, $pattern)');
      params.pattern = patternToRegex(options.namePattern, options.ignoreCase ?? false);
    }
    if (conditions.length === 1) {
      throw new StatusError('invalidParameter', 'a search needs a text or a pattern');
    }
    return await readPage(this.#engine, { ...walk, params, where: () => conditions.join(' AND ') });
  }

  /**
   * What a selection of files and directories means in one image: what exists, how much it is, whether direct
   * access makes sense, and the first `limit` entries in the order of the stream (0 to 10,000; default 1,000).
   */
  async resolve(
    ref: FileListRef,
    paths: readonly PathText[],
    options: { limit?: number } = {},
  ): Promise<Selection> {
    const selected = await this.#selected(ref, paths);
    const limit = checkedLimit(options.limit, 0);
    return await resolveSelection(this.#engine, selected, limit);
  }

  /**
   * All saved entries of a selection in order of fh_info (unknown last), then path; any number, in batches.
   * `timeoutMs` is for the sort and for each batch (default: that of queries). Errors: systemCallFailed when the
   * sort of a very large selection does not fit in memory; such a selection is better named by its directories.
   */
  async *stream(
    ref: FileListRef,
    paths: readonly PathText[],
    options: { signal?: AbortSignal; timeoutMs?: number } = {},
  ): AsyncGenerator<FileListEntry[]> {
    const selected = await this.#selected(ref, paths);
    yield* streamSelected(this.#engine, selected, options);
  }

  /** Ends after the queries that run; further calls are refused. */
  async close(): Promise<void> {
    await this.#engine.close();
  }

  async #selected(ref: FileListRef, paths: readonly PathText[]): Promise<Selected> {
    checkCount('paths', paths.length, PATHS_MAX);
    await this.#facts.of(ref);
    return { ref, ...knownPaths(paths) };
  }

  async #walk(
    refs: readonly FileListRef[],
    base: PathText,
    options: PageOptions,
  ): Promise<Omit<Walk, 'where'>> {
    checkCount('file lists', refs.length, REFS_MAX);
    return {
      refs,
      facts: await Promise.all(refs.map((ref) => this.#facts.of(ref))),
      range: rangeBelow(base),
      after: options.after === undefined ? undefined : decodeCursor(options.after),
      limit: checkedLimit(options.limit, 1),
      merge: options.merge ?? 'all',
      params: {},
    };
  }

  /**
   * The ordinal that the children of a directory share, for each list: the first path below a directory is
   * always one of its children, because every parent has a row.
   */
  async #ordinals(walk: Omit<Walk, 'where'>): Promise<(number | undefined)[]> {
    return await Promise.all(
      walk.refs.map(async (ref, list) => {
        const facts = [walk.facts[list] as ListFacts];
        const first = { ...walk, refs: [ref], facts, after: undefined, limit: 1 };
        const { entries } = await readPage(this.#engine, { ...first, where: () => 'true' });
        const path = entries[0]?.path;
        if (path === undefined) return undefined;
        const [row] = await this.#engine.rows({
          sql: 'SELECT parent FROM read_parquet($file) WHERE path = $path',
          params: { file: ref.file, path },
        });
        return row?.[0] as number;
      }),
    );
  }
}

function shownOf(options: PageOptions): string {
  return options.unsavedToo ? 'true' : `(saved OR type = 'dir')`;
}

function directoryOf(path: PathText): PathText {
  const normal = normalizePath(path);
  if (normal === undefined) throw new StatusError('invalidParameter', `${path} is not a path`);
  return normal;
}

/** Canonical and distinct; those that cannot be in any list come back apart. */
function knownPaths(texts: readonly PathText[]): { paths: PathText[]; invalid: PathText[] } {
  const paths = new Set<PathText>();
  const invalid: PathText[] = [];
  for (const text of texts) {
    const path = normalizePath(text);
    if (path === undefined) invalid.push(text);
    else paths.add(path);
  }
  return { paths: [...paths], invalid };
}

function checkedLimit(limit: number = LIMIT_DEFAULT, min: number): number {
  if (!Number.isInteger(limit) || limit < min || limit > LIMIT_MAX) {
    throw new StatusError('invalidParameter', `a limit is ${min} to ${LIMIT_MAX}, not ${limit}`);
  }
  return limit;
}

function checkCount(what: string, count: number, max: number): void {
  if (count === 0 || count > max) {
    throw new StatusError('invalidParameter', `${what}: 1 to ${max} at once, not ${count}`);
  }
}
