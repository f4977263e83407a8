// The state of a virtual library: where each cartridge is and who holds each drive, in one SQLite file. Each change is
// one durable transaction, so a crash leaves it made or not made. Several processes open it at once.

import { DatabaseSync } from 'node:sqlite';
import type { ProcessIdentity } from '@tapestry/processes';
import { StatusError } from '@tapestry/status';
import type { DriveOwner } from '../drive.ts';
import type { ElementPlace } from '../element-layout.ts';
import { type Fault, type FaultKind, type FaultPlace, strike } from '../faults.ts';
import type { ElementType } from '../library.ts';
import { inTransaction, openSqlite, sqliteFailure } from '../sqlite-file.ts';

const SCHEMA = `
CREATE TABLE library (format INTEGER NOT NULL, serial TEXT NOT NULL) STRICT;
CREATE TABLE element (
  address INTEGER PRIMARY KEY, type TEXT NOT NULL, idx INTEGER NOT NULL,
  barcode TEXT UNIQUE, source_address INTEGER) STRICT;
CREATE TABLE drive (
  idx INTEGER PRIMARY KEY, serial TEXT NOT NULL, ejected INTEGER NOT NULL DEFAULT 0,
  epoch INTEGER NOT NULL DEFAULT 0, grant_id TEXT, token TEXT,
  pid INTEGER, started TEXT, boot_id TEXT, pid_namespace TEXT) STRICT;
`;
/** Beside the tables of the first release, which do not know these: an older release leaves them alone. */
const LATER_TABLES = `
CREATE TABLE IF NOT EXISTS fault (id INTEGER PRIMARY KEY, fault TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS alert (idx INTEGER, flag INTEGER, PRIMARY KEY (idx, flag)) STRICT;
`;
const FORMAT = 1;

export interface ElementRow {
  readonly address: number;
  readonly type: ElementType;
  readonly index: number;
  readonly barcode: string | null;
  readonly sourceAddress: number | null;
}

export interface DriveRow {
  readonly index: number;
  readonly serial: string;
  /** The cartridge was unloaded and waits for the robot. */
  readonly ejected: boolean;
  readonly epoch: bigint;
  readonly grantId: string | null;
  /** Drawn at each open; null when nobody holds the drive. */
  readonly token: string | null;
  readonly holder: ProcessIdentity | null;
}

export type PlacedElement = ElementPlace & { readonly barcode: string | null };

export class LibraryDatabase {
  readonly #db: DatabaseSync;
  readonly #selectToken;
  readonly #selectFault;

  private constructor(db: DatabaseSync) {
    this.#db = db;
    this.#selectFault = db.prepare('SELECT id FROM fault LIMIT 1');
    this.#selectToken = db.prepare('SELECT token FROM drive WHERE idx = ?');
  }

  /** Fills a new file. It is a library from the moment that its caller gives it its name. */
  static create(path: string, serial: string, places: readonly PlacedElement[]): void {
    const db = new DatabaseSync(path);
    try {
      db.exec(`BEGIN IMMEDIATE;${SCHEMA}`);
      db.prepare('INSERT INTO library VALUES (?, ?)').run(FORMAT, serial);
      const element = db.prepare(
        'INSERT INTO element (address, type, idx, barcode) VALUES (?, ?, ?, ?)',
      );
      const drive = db.prepare('INSERT INTO drive (idx, serial) VALUES (?, ?)');
      for (const { address, type, index, barcode } of places) {
        element.run(address, type, index, barcode);
        if (type === 'drive') drive.run(index, `${serial}D${index}`);
      }
      db.exec('COMMIT');
    } finally {
      db.close();
    }
  }

  /** Throws `robotMissing` when there is no library of this release's format. */
  static open(path: string): LibraryDatabase {
    const db = openSqlite(path);
    try {
      const row = db.prepare('SELECT format FROM library').get();
      if (row?.format === FORMAT) {
        db.exec(LATER_TABLES);
        return new LibraryDatabase(db);
      }
    } catch (cause) {
      db.close();
      throw new StatusError('robotMissing', `${path} is no virtual library`, {}, { cause });
    }
    db.close();
    throw new StatusError('robotMissing', `${path} has a format unknown to this release`);
  }

  get serial(): string {
    return String(this.#db.prepare('SELECT serial FROM library').get()?.serial);
  }

  /** One transaction that no other process writes in; undone when `work` throws. Errors of its own: 129, 220. */
  transaction<T>(work: () => T): T {
    try {
      return inTransaction(this.#db, work);
    } catch (error) {
      throw sqliteFailure(error);
    }
  }

  elements(): ElementRow[] {
    return this.#db.prepare('SELECT * FROM element ORDER BY address').all().map(elementOf);
  }

  /** Where a cartridge is. */
  placeOf(barcode: string): ElementRow | undefined {
    const row = this.#db.prepare('SELECT * FROM element WHERE barcode = ?').get(barcode);
    return row && elementOf(row);
  }

  setElement(address: number, barcode: string | null, sourceAddress: number | null): void {
    const sql = 'UPDATE element SET barcode = ?, source_address = ? WHERE address = ?';
    this.#db.prepare(sql).run(barcode, sourceAddress, address);
  }

  drive(index: number): DriveRow | undefined {
    // The epoch as text: a number of SQLite's may be larger than one of ours is exact.
    const sql = `SELECT serial, ejected, CAST(epoch AS TEXT) AS epoch, grant_id, token, pid, started, boot_id,
      pid_namespace FROM drive WHERE idx = ?`;
    const row = this.#db.prepare(sql).get(index);
    if (!row) return undefined;
    const holder = {
      pid: Number(row.pid),
      startTicks: String(row.started),
      bootId: String(row.boot_id),
      pidNamespace: String(row.pid_namespace),
    };
    return {
      index,
      serial: String(row.serial),
      ejected: row.ejected !== 0,
      epoch: BigInt(String(row.epoch)),
      grantId: row.grant_id as string | null,
      token: row.token as string | null,
      holder: row.token === null ? null : holder,
    };
  }

  /** The barcode in a drive, null when it is empty. */
  barcodeInDrive(index: number): string | null {
    const sql = "SELECT barcode FROM element WHERE type = 'drive' AND idx = ?";
    return (this.#db.prepare(sql).get(index)?.barcode ?? null) as string | null;
  }

  setDriveHolder(index: number, owner: DriveOwner, token: string, holder: ProcessIdentity): void {
    const { pid, startTicks, bootId, pidNamespace } = holder;
    const sql = `UPDATE drive SET epoch = ?, grant_id = ?, token = ?, pid = ?, started = ?, boot_id = ?,
      pid_namespace = ? WHERE idx = ?`;
    this.#db
      .prepare(sql)
      .run(owner.epoch, owner.grantId, token, pid, startTicks, bootId, pidNamespace, index);
  }

  /** Nobody holds the drive any more; its epoch never falls. */
  clearDriveHolder(index: number, epoch: bigint): void {
    const sql = 'UPDATE drive SET token = NULL, epoch = max(epoch, ?) WHERE idx = ?';
    this.#db.prepare(sql).run(epoch, index);
  }

  setEjected(index: number, ejected: 0 | 1): void {
    this.#db.prepare('UPDATE drive SET ejected = ? WHERE idx = ?').run(ejected, index);
  }

  /** What the fence compares before each batch: a few microseconds. */
  driveToken(index: number): string | null {
    return (this.#selectToken.get(index)?.token ?? null) as string | null;
  }

  /** False as ever but in tests: a few microseconds. */
  get faulty(): boolean {
    return this.#selectFault.get() !== undefined;
  }

  strikes(places: readonly FaultPlace[], kind: FaultKind): boolean {
    return this.struckBy(places, kind) !== null;
  }

  /** Not within a transaction that may be undone: what struck is used up. */
  struckBy(places: readonly FaultPlace[], kind: FaultKind): Fault | null {
    if (!this.faulty) return null;
    return this.transaction(() => {
      const before = this.faults();
      const { struck, left } = strike(before, places, kind);
      if (left !== before) this.setFaults(left);
      return struck;
    });
  }

  faults(): readonly Fault[] {
    const rows = this.#db.prepare('SELECT fault FROM fault ORDER BY id').all();
    return rows.map(({ fault }) => JSON.parse(String(fault)) as Fault);
  }

  setFaults(faults: readonly Fault[]): void {
    this.#db.exec('DELETE FROM fault');
    const insert = this.#db.prepare('INSERT INTO fault (fault) VALUES (?)');
    for (const fault of faults) insert.run(JSON.stringify(fault));
  }

  raiseAlert(index: number, flag: number): void {
    this.#db.prepare('INSERT OR IGNORE INTO alert VALUES (?, ?)').run(index, flag);
  }

  /** A flag raised on order, which the load of a cartridge does not clear. */
  orderAlert(index: number, flag: number): void {
    this.raiseAlert(orderedAt(index), flag);
  }

  /** The flags of a drive, ascending; they are cleared. */
  takeAlerts(index: number): number[] {
    const places = [index, orderedAt(index)];
    const rows = this.#db
      .prepare('SELECT DISTINCT flag FROM alert WHERE idx IN (?, ?) ORDER BY flag')
      .all(...places);
    if (rows.length > 0) {
      this.#db.prepare('DELETE FROM alert WHERE idx IN (?, ?)').run(...places);
    }
    return rows.map(({ flag }) => Number(flag));
  }

  /** What was said of the cartridge before says nothing of the one that comes. */
  clearAlerts(index: number): void {
    this.#db.prepare('DELETE FROM alert WHERE idx = ?').run(index);
  }

  close(): void {
    this.#db.close();
  }
}

/** Where the flags lie that were raised on order. */
function orderedAt(index: number): number {
  return -1 - index;
}

function elementOf(row: Record<string, unknown>): ElementRow {
  return {
    address: Number(row.address),
    type: row.type as ElementType,
    index: Number(row.idx),
    barcode: row.barcode as string | null,
    sourceAddress: row.source_address === null ? null : Number(row.source_address),
  };
}
