// Who writes which image on a disk storage unit: the rule of epochs, in one SQLite file beside the fragments. Nothing
// about the fragments themselves is kept here; what is committed is what lies in the folder.

import { existsSync } from 'node:fs';
import type { DatabaseSync } from 'node:sqlite';
import { mayLive, ownIdentity, type ProcessIdentity } from '@tapestry/processes';
import { StatusError } from '@tapestry/status';
import type { DriveOwner } from '../drive.ts';
import { inTransaction, openSqlite, sqliteFailure } from '../sqlite-file.ts';

const SCHEMA = `
CREATE TABLE IF NOT EXISTS disk (format INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS writer (
  image TEXT PRIMARY KEY, epoch INTEGER NOT NULL, token TEXT,
  pid INTEGER, started TEXT, boot_id TEXT, pid_namespace TEXT) STRICT;
`;
const FORMAT = 1;

interface WriterRow {
  readonly epoch: bigint;
  /** Null when nobody writes. */
  readonly token: string | null;
  readonly holder: ProcessIdentity;
}

export class DiskDatabase {
  readonly #db: DatabaseSync;

  private constructor(db: DatabaseSync) {
    this.#db = db;
  }

  /** Throws `alreadyExists` when there is one. */
  static create(path: string): void {
    if (existsSync(path)) throw new StatusError('alreadyExists', `there is a disk unit in ${path}`);
    const db = openSqlite(path);
    try {
      inTransaction(db, () => {
        db.exec(SCHEMA);
        db.prepare('INSERT INTO disk SELECT ? WHERE NOT EXISTS (SELECT * FROM disk)').run(FORMAT);
      });
    } catch (error) {
      throw sqliteFailure(error);
    } finally {
      db.close();
    }
  }

  /** Throws `storageUnitMissing` when the file is missing or of an unknown format. */
  static open(path: string): DiskDatabase {
    if (!existsSync(path)) throw new StatusError('storageUnitMissing', `there is no ${path}`);
    let db: DatabaseSync | undefined;
    try {
      db = openSqlite(path);
      if (db.prepare('SELECT format FROM disk').get()?.format === FORMAT)
        return new DiskDatabase(db);
    } catch (cause) {
      db?.close();
      throw new StatusError('storageUnitMissing', `${path} cannot be used`, {}, { cause });
    }
    db.close();
    throw new StatusError('storageUnitMissing', `${path} has a format unknown to this release`);
  }

  /** Runs `work` while nobody else changes the unit. */
  transaction<T>(work: () => T): T {
    try {
      return inTransaction(this.#db, work);
    } catch (error) {
      throw sqliteFailure(error);
    }
  }

  /** Within a transaction. Throws `staleGrant` or `mediaInUse` when `owner` may not write the image. */
  claim(image: string, owner: DriveOwner, token: string): void {
    this.checkClaim(image, owner);
    const { pid, startTicks, bootId, pidNamespace } = ownIdentity();
    const sql = 'INSERT OR REPLACE INTO writer VALUES (?, ?, ?, ?, ?, ?, ?)';
    this.#db.prepare(sql).run(image, owner.epoch, token, pid, startTicks, bootId, pidNamespace);
  }

  checkClaim(image: string, owner: DriveOwner): void {
    const row = this.#writer(image);
    if (!row) return;
    const { epoch } = row;
    if (owner.epoch < epoch) {
      throw new StatusError('staleGrant', `${image} is written under epoch ${epoch}`);
    }
    if (owner.epoch === epoch && isLive(row)) {
      throw new StatusError('mediaInUse', `${image} has a writer`, { pid: row.holder.pid });
    }
  }

  /** Throws `staleGrant` when another writer took the image. */
  checkToken(image: string, token: string): void {
    if (this.#writer(image)?.token === token) return;
    throw new StatusError('staleGrant', `${image} was taken over by another writer`);
  }

  /** The writer is done; its epoch stays, so that no lower one begins again. */
  release(image: string, token: string): void {
    const sql = 'UPDATE writer SET token = NULL WHERE image = ? AND token = ?';
    this.#db.prepare(sql).run(image, token);
  }

  /** Within a transaction, before the image is deleted. Throws `mediaInUse` or `staleGrant` when it may not be. */
  endWriter(image: string, fence: DriveOwner | undefined): void {
    const row = this.#writer(image);
    if (fence) {
      this.checkClaim(image, fence);
      const sql = `INSERT INTO writer (image, epoch) VALUES (?, ?)
        ON CONFLICT (image) DO UPDATE SET epoch = excluded.epoch, token = NULL`;
      this.#db.prepare(sql).run(image, fence.epoch);
      return;
    }
    if (row && isLive(row)) {
      throw new StatusError('mediaInUse', `${image} has a writer`, { pid: row.holder.pid });
    }
    this.#db.prepare('DELETE FROM writer WHERE image = ?').run(image);
  }

  /** Tokens of writers that may still live. */
  liveTokens(): Set<string> {
    const rows = this.#db.prepare('SELECT image FROM writer WHERE token IS NOT NULL').all();
    const tokens = new Set<string>();
    for (const { image } of rows) {
      const row = this.#writer(String(image));
      if (row?.token && isLive(row)) tokens.add(row.token);
    }
    return tokens;
  }

  #writer(image: string): WriterRow | undefined {
    // The epoch as text: a number of SQLite's may be larger than one of ours is exact.
    const sql = `SELECT CAST(epoch AS TEXT) AS epoch, token, pid, started, boot_id, pid_namespace
      FROM writer WHERE image = ?`;
    const row = this.#db.prepare(sql).get(image);
    if (!row) return undefined;
    return {
      epoch: BigInt(String(row.epoch)),
      token: row.token as string | null,
      holder: {
        pid: Number(row.pid),
        startTicks: String(row.started),
        bootId: String(row.boot_id),
        pidNamespace: String(row.pid_namespace),
      },
    };
  }

  close(): void {
    this.#db.close();
  }
}

function isLive(row: WriterRow): boolean {
  return row.token !== null && mayLive(row.holder);
}
