// Dates of past backups by series and level: what a level-n backup is measured against. Kept in one
// SQLite file, or in memory when no file was named.

import { DatabaseSync } from 'node:sqlite';
import type { DumpDate } from '../core/operation-plan.ts';

const SCHEMA = `CREATE TABLE IF NOT EXISTS dump_dates (
  series TEXT NOT NULL, level INTEGER NOT NULL, date_ns TEXT NOT NULL,
  PRIMARY KEY (series, level)) STRICT`;

export class DumpDates {
  readonly #database: DatabaseSync;

  constructor(file: string | undefined) {
    this.#database = new DatabaseSync(file ?? ':memory:');
    this.#database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    this.#database.exec(SCHEMA);
  }

  /** The newest date in the series at a level below `level`. */
  baseOf(series: string, level: number): bigint | undefined {
    const rows = this.#database
      .prepare('SELECT date_ns FROM dump_dates WHERE series = ? AND level < ?')
      .all(series, level);
    const dates = rows.map((row) => BigInt(String(row.date_ns)));
    return dates.reduce<bigint | undefined>(
      (a, b) => (a === undefined || b > a ? b : a),
      undefined,
    );
  }

  /** A backup at a level makes every higher level of its series meaningless. */
  record({ series, level, dateNs }: DumpDate): void {
    this.#database.exec('BEGIN IMMEDIATE');
    try {
      this.#database
        .prepare('DELETE FROM dump_dates WHERE series = ? AND level >= ?')
        .run(series, level);
      this.#database
        .prepare('INSERT INTO dump_dates (series, level, date_ns) VALUES (?, ?, ?)')
        .run(series, level, String(dateNs));
      this.#database.exec('COMMIT');
    } catch (error) {
      this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  close(): void {
    this.#database.close();
  }
}
