// The drive and mount table of this host, durable at every change.

import { codec, type Grant } from '@tapestry/contracts';
import { leaseOf, refOf } from '@tapestry/runtime/fence';
import { type DatabaseSync, openHostStore } from '@tapestry/runtime/host-store';
import type { Cleaning } from '../core/cleaning.ts';
import type { DriveRow } from '../core/drive-row.ts';
import type { PendingAnswer } from '../core/pending.ts';

const MIGRATIONS = [
  `CREATE TABLE drives (
     drive TEXT PRIMARY KEY,
     robot_number INTEGER NOT NULL,
     drive_index INTEGER NOT NULL,
     media_id TEXT NOT NULL,
     holder BLOB,
     state TEXT NOT NULL,
     writer_pid INTEGER NOT NULL,
     reason TEXT NOT NULL,
     renewed_ms INTEGER NOT NULL,
     heard_ms INTEGER NOT NULL
   ) STRICT`,
  `ALTER TABLE drives ADD COLUMN idle_ms INTEGER NOT NULL DEFAULT 0;
   CREATE TABLE letters (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     kind TEXT NOT NULL,
     request BLOB NOT NULL
   ) STRICT`,
  `CREATE TABLE pending (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     mount_grant BLOB NOT NULL,
     reason TEXT NOT NULL,
     since_ms INTEGER NOT NULL,
     answer TEXT NOT NULL
   ) STRICT`,
  `CREATE TABLE cleaning (
     drive TEXT PRIMARY KEY,
     frequency_hours INTEGER NOT NULL,
     used_ms INTEGER NOT NULL,
     last_ms INTEGER NOT NULL,
     wanted TEXT NOT NULL
   ) STRICT;
   ALTER TABLE drives ADD COLUMN mounted_ms INTEGER NOT NULL DEFAULT 0`,
  'ALTER TABLE drives ADD COLUMN volume_number INTEGER NOT NULL DEFAULT 0',
];

/** Something that nbemm must hear. */
export interface Letter {
  readonly id: number;
  readonly kind: 'mediaEvent' | 'driveState';
  readonly request: Uint8Array;
}

interface Stored {
  drive: string;
  robot_number: number;
  drive_index: number;
  media_id: string;
  holder: Uint8Array | null;
  state: DriveRow['state'];
  writer_pid: number;
  reason: string;
  renewed_ms: number;
  heard_ms: number;
  idle_ms: number;
  mounted_ms: number;
  volume_number: number;
}

/** A mount that waits for an operator. `answer` is kept until the mount that asked has heard it. */
export interface PendingRequest {
  readonly id: number;
  readonly grant: Grant;
  readonly reason: string;
  readonly sinceMs: number;
  readonly answer: PendingAnswer | '';
}

interface StoredPending {
  id: number;
  mount_grant: Uint8Array;
  reason: string;
  since_ms: number;
  answer: PendingRequest['answer'];
}

export class MountStore {
  readonly #db: DatabaseSync;

  constructor(file: string) {
    this.#db = openHostStore(file, MIGRATIONS);
  }

  all(): DriveRow[] {
    const rows = this.#db.prepare('SELECT * FROM drives ORDER BY drive').all();
    return (rows as unknown as Stored[]).map((row) => ({
      ...{ drive: row.drive, robotNumber: row.robot_number, driveIndex: row.drive_index },
      mediaId: row.media_id,
      holder: row.holder === null ? null : leaseOf(codec('GrantRef').decode(row.holder)),
      ...{ state: row.state, writerPid: row.writer_pid, reason: row.reason },
      ...{ renewedMs: row.renewed_ms, heardMs: row.heard_ms, idleMs: row.idle_ms },
      ...{ mountedMs: row.mounted_ms, volumeNumber: row.volume_number },
    }));
  }

  save(row: DriveRow): void {
    const holder = row.holder === null ? null : codec('GrantRef').encode(refOf(row.holder));
    this.#db
      .prepare('INSERT OR REPLACE INTO drives VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        ...([row.drive, row.robotNumber, row.driveIndex, row.mediaId, holder, row.state] as const),
        ...([
          row.writerPid,
          row.reason,
          row.renewedMs,
          row.heardMs,
          row.idleMs,
          row.mountedMs,
          row.volumeNumber,
        ] as const),
      );
  }

  /** Keeps at most `max` letters: the oldest make room. */
  addLetter({ kind, request }: Omit<Letter, 'id'>, max: number): void {
    this.#db.prepare('INSERT INTO letters (kind, request) VALUES (?, ?)').run(kind, request);
    this.#db.prepare('DELETE FROM letters WHERE id <= (SELECT max(id) FROM letters) - ?').run(max);
  }

  firstLetter(): Letter | undefined {
    const found = this.#db.prepare('SELECT * FROM letters ORDER BY id LIMIT 1').get();
    return found as unknown as Letter | undefined;
  }

  dropLetter(id: number): void {
    this.#db.prepare('DELETE FROM letters WHERE id = ?').run(id);
  }

  pending(): PendingRequest[] {
    const rows = this.#db.prepare('SELECT * FROM pending ORDER BY id').all();
    return (rows as unknown as StoredPending[]).map((row) => ({
      ...{ id: row.id, grant: codec('Grant').decode(row.mount_grant), reason: row.reason },
      ...{ sinceMs: row.since_ms, answer: row.answer },
    }));
  }

  addPending({ grant, reason, sinceMs }: Omit<PendingRequest, 'id' | 'answer'>): number {
    const { lastInsertRowid } = this.#db
      .prepare("INSERT INTO pending (mount_grant, reason, since_ms, answer) VALUES (?, ?, ?, '')")
      .run(codec('Grant').encode(grant), reason, sinceMs);
    return Number(lastInsertRowid);
  }

  answerPending(id: number, answer: PendingRequest['answer'], reason: string): void {
    this.#db
      .prepare('UPDATE pending SET answer = ?, reason = ? WHERE id = ?')
      .run(answer, reason, id);
  }

  dropPending(id: number): void {
    this.#db.prepare('DELETE FROM pending WHERE id = ?').run(id);
  }

  cleanings(): Cleaning[] {
    const rows = this.#db
      .prepare(
        `SELECT drive, frequency_hours "frequencyHours", used_ms "usedMs", last_ms "lastMs", wanted
         FROM cleaning`,
      )
      .all();
    return rows as unknown as Cleaning[];
  }

  saveCleaning({ drive, frequencyHours, usedMs, lastMs, wanted }: Cleaning): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO cleaning VALUES (?, ?, ?, ?, ?)')
      .run(drive, frequencyHours, usedMs, lastMs, wanted);
  }

  close(): void {
    this.#db.close();
  }
}
