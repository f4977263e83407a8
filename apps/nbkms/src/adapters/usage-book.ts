// What was written under each key, told by bptm once a segment: kept beside the store, where a quiesce call does not
// stop it.

import { DatabaseSync } from 'node:sqlite';

export interface KeyUsage {
  readonly segments: bigint;
  readonly blocks: bigint;
  readonly bytes: bigint;
  readonly firstMs: bigint;
  readonly lastMs: bigint;
}

export interface UsageBook {
  /** A repeated segment counts once. */
  note(use: {
    readonly tag: string;
    readonly segment: Uint8Array;
    readonly stream: number;
    readonly blocks: bigint;
    readonly bytes: bigint;
    readonly atMs: number;
  }): void;
  of(tag: string): KeyUsage;
  close(): void;
}

const TABLE = `CREATE TABLE IF NOT EXISTS segments (
  segment BLOB NOT NULL, stream INTEGER NOT NULL, tag TEXT NOT NULL, blocks INTEGER NOT NULL,
  bytes INTEGER NOT NULL, at_ms INTEGER NOT NULL, PRIMARY KEY (segment, stream)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_tag ON segments (tag);`;

const SUM = `SELECT count(*) AS segments, coalesce(sum(blocks), 0) AS blocks,
  coalesce(sum(bytes), 0) AS bytes, coalesce(min(at_ms), 0) AS firstMs,
  coalesce(max(at_ms), 0) AS lastMs FROM segments WHERE tag = ?`;

export function openUsageBook(path: string): UsageBook {
  const database = new DatabaseSync(path, { timeout: 5_000 });
  database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; ${TABLE}`);
  const insert = database.prepare('INSERT OR IGNORE INTO segments VALUES (?, ?, ?, ?, ?, ?)');
  const sum = database.prepare(SUM);
  sum.setReadBigInts(true);
  return {
    note: ({ segment, stream, tag, blocks, bytes, atMs }) =>
      void insert.run(segment, stream, tag, blocks, bytes, atMs),
    of: (tag) => sum.get(tag) as unknown as KeyUsage,
    close: () => database.close(),
  };
}
