// Dates of past backups, by series and level or token, with the directories that each one saw: what an
// incremental is measured against. Kept in one SQLite file, or in memory when no file was named.

import { DatabaseSync } from 'node:sqlite';
import type { BackupKind, BaseRecord, DumpDate } from '../core/operation-plan.ts';

const SCHEMA = `CREATE TABLE IF NOT EXISTS dump_dates (
  series TEXT NOT NULL, level INTEGER NOT NULL, date_ns TEXT NOT NULL,
  PRIMARY KEY (series, level)) STRICT;
CREATE TABLE IF NOT EXISTS bases (
  series TEXT NOT NULL, date_ns TEXT NOT NULL, selection TEXT NOT NULL, directories BLOB NOT NULL,
  PRIMARY KEY (series, date_ns)) STRICT;
CREATE TABLE IF NOT EXISTS sizes (
  series TEXT NOT NULL, kind TEXT NOT NULL, bytes TEXT NOT NULL,
  PRIMARY KEY (series, kind)) STRICT;`;

/** Tokens of a series that can be built on; with an older one everything is saved again. */
const TOKENS_MAX = 32;
/** Without a file, what directories were there must not fill memory; the newest are kept. */
const MEMORY_BYTES_MAX = 64 * 1024 * 1024;

type Row = Record<string, unknown>;

export class DumpDates {
  readonly #database: DatabaseSync;
  readonly #bytesMax: number;

  constructor(file: string | undefined) {
    this.#bytesMax = file === undefined ? MEMORY_BYTES_MAX : Number.MAX_SAFE_INTEGER;
    this.#database = new DatabaseSync(file ?? ':memory:');
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    this.#database.exec(SCHEMA);
  }

  /** The newest backup in the series at a level below `level`. */
  baseOf(series: string, level: number): BaseRecord | undefined {
    const rows = this.#database
      .prepare('SELECT date_ns FROM dump_dates WHERE series = ? AND level < ?')
      .all(series, level);
    const dates = rows.map((row) => BigInt(String(row.date_ns)));
    const newest = dates.reduce<bigint | undefined>(
      (a, b) => (a === undefined || b > a ? b : a),
      undefined,
    );
    if (newest === undefined) return undefined;
    const missing = { dateNs: newest, selection: '', directories: undefined };
    return this.tokenOf(series, newest) ?? missing;
  }

  /** The backup in the series that returned this date as its token. */
  tokenOf(series: string, dateNs: bigint): BaseRecord | undefined {
    const row: Row | undefined = this.#database
      .prepare('SELECT selection, directories FROM bases WHERE series = ? AND date_ns = ?')
      .get(series, String(dateNs));
    if (row === undefined) return undefined;
    const directories = row.directories as Uint8Array;
    return { dateNs, selection: String(row.selection), directories };
  }

  /** Stream bytes of the last backup of its kind. */
  sizeOf(series: string, kind: BackupKind): bigint | undefined {
    const row: Row | undefined = this.#database
      .prepare('SELECT bytes FROM sizes WHERE series = ? AND kind = ?')
      .get(series, kind);
    return row === undefined ? undefined : BigInt(String(row.bytes));
  }

  /** A backup at a level makes every higher level of its series meaningless. */
  record(
    { series, level, dateNs, selection, kind }: DumpDate,
    { directories, bytes }: { directories: Uint8Array; bytes: bigint },
  ): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      if (level !== undefined) this.#recordLevel(series, level, dateNs);
      this.#database
        .prepare('INSERT OR REPLACE INTO bases VALUES (?, ?, ?, ?)')
        .run(series, String(dateNs), selection, directories);
      this.#database
        .prepare('INSERT OR REPLACE INTO sizes VALUES (?, ?, ?)')
        .run(series, kind, String(bytes));
      this.#forgetOld(series);
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }

  #recordLevel(series: string, level: number, dateNs: bigint): void {
    this.#database
      .prepare('DELETE FROM dump_dates WHERE series = ? AND level >= ?')
      .run(series, level);
    this.#database
      .prepare('INSERT INTO dump_dates (series, level, date_ns) VALUES (?, ?, ?)')
      .run(series, level, String(dateNs));
  }

  /** Bases of levels stay; of the others the newest do. */
  #forgetOld(series: string): void {
    const kept = 'SELECT date_ns FROM dump_dates d WHERE d.series = bases.series';
    this.#database
      .prepare(
        `DELETE FROM bases WHERE series = ? AND date_ns NOT IN (${kept}) AND date_ns NOT IN
         (SELECT date_ns FROM bases WHERE series = ? ORDER BY length(date_ns) DESC, date_ns DESC
          LIMIT ?)`,
      )
      .run(series, series, TOKENS_MAX);
    const rows: Row[] = this.#database
      .prepare(
        `SELECT series, date_ns, length(directories) AS bytes FROM bases
         ORDER BY length(date_ns) DESC, date_ns DESC`,
      )
      .all();
    const remove = this.#database.prepare('DELETE FROM bases WHERE series = ? AND date_ns = ?');
    let total = 0;
    for (const row of rows) {
      total += Number(row.bytes);
      if (total > this.#bytesMax) remove.run(String(row.series), String(row.date_ns));
    }
  }
}
