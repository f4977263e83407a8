// First half of a build: spooled records become three tables (files, dirs, nodes) that DuckDB reads directly,
// with names as path text and paths split and normalised. Out of core: memory does not grow with the history.

import { join } from 'node:path';
import { isPlain, normalizePath, type PathText, pathFromBytes } from '../path-text.ts';
import { type RecordAt, recordAt, type SpoolEnd, scanSpool } from '../spool/reader.ts';
import { DIR_AT, RECORD_KIND, STAT_AT } from '../spool/record.ts';
import { StagedColumn, StagedTable } from './staged-table.ts';

export interface Staged {
  readonly filesPath: string;
  readonly dirsPath: string;
  readonly nodesPath: string;
  readonly end: SpoolEnd;
  /** Inode of the backup root in a DIR history, if a `.` entry named it. */
  readonly rootNode: bigint | undefined;
  /** True when every FILE path begins with the prefix: this server puts FILESYSTEM in front. */
  readonly pathsCarryPrefix: boolean;
  /** Names without meaning (`..` inside a path, an empty name), which were left out. */
  readonly ignored: number;
}

const SLASH = 0x2f;
const DOT = 0x2e;
const NO_BYTES = Buffer.alloc(0);

/** Order of the columns behind the name columns in files and nodes. */
const STAT_COLUMNS = ['mtime', 'mode', 'uid', 'gid', 'size', 'node', 'fhInfo'] as const;

/** Reads the spool once. Errors: those of `scanSpool`; what is left in `folder` then is the caller's to remove. */
export async function stageSpool(
  spoolPath: string,
  folder: string,
  options: { prefix: PathText; onRead?: (readBytes: number) => void },
): Promise<Staged> {
  const filesPath = join(folder, 'files.parquet');
  const dirsPath = join(folder, 'dirs.parquet');
  const nodesPath = join(folder, 'nodes.parquet');
  const stager = new Stager(
    await StagedTable.create(filesPath, [...textColumns('dir', 'name'), ...statColumns()]),
    await StagedTable.create(dirsPath, [
      new StagedColumn('parent', 'u64'),
      new StagedColumn('node', 'u64'),
      ...textColumns('sub', 'name'),
    ]),
    await StagedTable.create(nodesPath, statColumns()),
    options.prefix,
  );
  try {
    const end = await scanSpool(spoolPath, async (payload, readBytes) => {
      await stager.stageFrame(payload);
      options.onRead?.(readBytes);
    });
    const { rootNode, pathsCarryPrefix, ignored } = stager;
    return { filesPath, dirsPath, nodesPath, end, rootNode, pathsCarryPrefix, ignored };
  } finally {
    await stager.close();
  }
}

function textColumns(...names: string[]): StagedColumn[] {
  return names.map((name) => new StagedColumn(name, 'text'));
}

function statColumns(): StagedColumn[] {
  const wide = new Set<string>(['size', 'node', 'fhInfo']);
  return [
    new StagedColumn('type', 'u32'),
    ...STAT_COLUMNS.map((name) => new StagedColumn(name, wide.has(name) ? 'u64' : 'u32')),
  ];
}

class Stager {
  rootNode: bigint | undefined;
  ignored = 0;
  readonly #files: StagedTable;
  readonly #dirs: StagedTable;
  readonly #nodes: StagedTable;
  /** Undefined when the prefix is '/': then nothing can be told apart. */
  readonly #prefix: Buffer | undefined;
  #allCarryPrefix: boolean;

  constructor(files: StagedTable, dirs: StagedTable, nodes: StagedTable, prefix: PathText) {
    this.#files = files;
    this.#dirs = dirs;
    this.#nodes = nodes;
    this.#prefix = prefix === '/' ? undefined : Buffer.from(prefix, 'utf8');
    this.#allCarryPrefix = this.#prefix !== undefined;
  }

  get pathsCarryPrefix(): boolean {
    return this.#allCarryPrefix && this.#files.rows > 0;
  }

  async stageFrame(payload: Buffer): Promise<void> {
    for (let at = 0; at < payload.length; ) {
      const record = recordAt(payload, at);
      const full = this.#stage(payload, record);
      if (full) await full.endGroup();
      at = record.endAt;
    }
  }

  /** Closes all three tables even when one fails. */
  async close(): Promise<void> {
    const closed = await Promise.allSettled(
      [this.#files, this.#dirs, this.#nodes].map((table) => table.close()),
    );
    for (const result of closed) if (result.status === 'rejected') throw result.reason;
  }

  /** The table whose row group is full now, if any. */
  #stage(payload: Buffer, record: RecordAt): StagedTable | undefined {
    if (record.kind === RECORD_KIND.file) return this.#stageFile(payload, record);
    if (record.kind === RECORD_KIND.dir) return this.#stageDir(payload, record);
    stageStat(this.#nodes.columns, 0, payload, record.at);
    return this.#nodes.endRow() ? this.#nodes : undefined;
  }

  #stageFile(payload: Buffer, { at, nameAt, endAt }: RecordAt): StagedTable | undefined {
    const [dir, name] = this.#files.columns as [StagedColumn, StagedColumn];
    const slashAt = lastSlashOfPlainPath(payload, nameAt, endAt);
    if (slashAt >= 0) {
      this.#notePrefix(payload, nameAt, endAt);
      dir.putText(payload, nameAt, slashAt);
      name.putText(payload, slashAt + 1, endAt);
    } else {
      const path = normalizePath(pathFromBytes(payload.subarray(nameAt, endAt)));
      if (path === undefined) {
        this.ignored++;
        return undefined;
      }
      const text = Buffer.from(path, 'utf8');
      this.#notePrefix(text, 0, text.length);
      putSplit(dir, name, text);
    }
    stageStat(this.#files.columns, 2, payload, at);
    return this.#files.endRow() ? this.#files : undefined;
  }

  #stageDir(payload: Buffer, { at, nameAt, endAt }: RecordAt): StagedTable | undefined {
    const sizeBytes = endAt - nameAt;
    if (payload[nameAt] === DOT && sizeBytes === 1) {
      this.#noteRoot(payload, at);
      return undefined;
    }
    if (payload[nameAt] === DOT && payload[nameAt + 1] === DOT && sizeBytes === 2) return undefined;
    const [parent, node, sub, name] = this.#dirs.columns as [
      StagedColumn,
      StagedColumn,
      StagedColumn,
      StagedColumn,
    ];
    if (isPlainName(payload, nameAt, endAt)) {
      sub.putText(NO_BYTES, 0, 0);
      name.putText(payload, nameAt, endAt);
    } else {
      const path = normalizePath(pathFromBytes(payload.subarray(nameAt, endAt)));
      if (path === undefined || path === '/') {
        this.ignored++;
        return undefined;
      }
      putSplit(sub, name, Buffer.from(path, 'utf8'));
    }
    parent.putNumber(payload, at + DIR_AT.parent);
    node.putNumber(payload, at + DIR_AT.node);
    return this.#dirs.endRow() ? this.#dirs : undefined;
  }

  /** The root is the first `.` whose node is its own parent; the spec puts it first, some filers do not. */
  #noteRoot(payload: Buffer, at: number): void {
    if (this.rootNode !== undefined) return;
    const node = payload.readBigUInt64LE(at + DIR_AT.node);
    if (payload.readBigUInt64LE(at + DIR_AT.parent) === node) this.rootNode = node;
  }

  #notePrefix(path: Buffer, start: number, end: number): void {
    if (!this.#allCarryPrefix || !this.#prefix) return;
    const prefixEnd = start + this.#prefix.length;
    this.#allCarryPrefix =
      prefixEnd <= end &&
      this.#prefix.equals(path.subarray(start, prefixEnd)) &&
      (prefixEnd === end || path[prefixEnd] === SLASH);
  }
}

function stageStat(
  columns: readonly StagedColumn[],
  first: number,
  payload: Buffer,
  at: number,
): void {
  columns[first]?.putSmall(payload[at + 1] as number);
  for (let index = 0; index < STAT_COLUMNS.length; index++) {
    const column = STAT_COLUMNS[index] as (typeof STAT_COLUMNS)[number];
    columns[first + 1 + index]?.putNumber(payload, at + STAT_AT[column]);
  }
}

/** '/a/b' becomes '/a' and 'b'; '/' becomes two empty texts. */
function putSplit(dir: StagedColumn, name: StagedColumn, path: Buffer): void {
  const slashAt = path.lastIndexOf(SLASH);
  dir.putText(path, 0, slashAt);
  name.putText(path, slashAt + 1, path.length);
}

/**
 * Where the last separator of a path is that is normal as it stands: absolute, ASCII, nothing empty, no component
 * that starts with a dot and might be `.` or `..`. -1 for all others, which take the slow way.
 */
function lastSlashOfPlainPath(bytes: Buffer, start: number, end: number): number {
  if (start === end || bytes[start] !== SLASH || (end - start > 1 && bytes[end - 1] === SLASH)) {
    return -1;
  }
  let slashAt = -1;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === SLASH) {
      const next = bytes[at + 1];
      if (at + 1 < end && (next === SLASH || (next === DOT && isDots(bytes, at + 1, end)))) {
        return -1;
      }
      slashAt = at;
    } else if (byte === 0) return -1;
    else if (byte >= 0x80) return isPlain(bytes.subarray(at, end)) ? continueSlash() : -1;
  }
  return slashAt;

  /** The rest is UTF-8 that stays as it is; only its separators are left to look at. */
  function continueSlash(): number {
    const path = bytes.subarray(start, end);
    const text = path.toString('latin1');
    if (/\/(\/|\.{1,2}(\/|$))/.test(text)) return -1;
    return start + path.lastIndexOf(SLASH);
  }
}

/** True when the component at `at` is `.` or `..`. */
function isDots(bytes: Buffer, at: number, end: number): boolean {
  const next = bytes[at + 1] === DOT && at + 1 < end ? at + 2 : at + 1;
  return next >= end || bytes[next] === SLASH;
}

function isPlainName(bytes: Buffer, start: number, end: number): boolean {
  if (start === end) return false;
  for (let at = start; at < end; at++) {
    const byte = bytes[at] as number;
    if (byte === SLASH || byte === 0) return false;
    if (byte >= 0x80) {
      const rest = bytes.subarray(at, end);
      return isPlain(rest) && !rest.includes(SLASH);
    }
  }
  return true;
}
