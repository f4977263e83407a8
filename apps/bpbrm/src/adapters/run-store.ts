// The runs of this host: what was asked, how far they are, and ends that nbjm has not acknowledged.

import { codec, type RunSpec } from '@tapestry/contracts';
import { attemptKey, type Lease, leaseOf } from '@tapestry/runtime/fence';
import { type DatabaseSync, openHostStore } from '@tapestry/runtime/host-store';
import type { Run } from '../core/run.ts';

const MIGRATIONS = [
  `CREATE TABLE runs (
     attempt TEXT PRIMARY KEY,
     spec BLOB NOT NULL,
     progress TEXT NOT NULL,
     stream BLOB,
     session BLOB,
     result BLOB,
     told INTEGER NOT NULL,
     updated_ms INTEGER NOT NULL
   ) STRICT`,
];

/** How long an ended run is still listed. */
const KEEP_MS = 24 * 3_600_000;

export interface StoredRun {
  readonly spec: RunSpec;
  readonly lease: Lease;
  readonly run: Run;
  /** nbjm has answered to its end. */
  readonly told: boolean;
}

interface Row {
  spec: Uint8Array;
  progress: string;
  stream: Uint8Array | null;
  session: Uint8Array | null;
  result: Uint8Array | null;
  told: number;
}

/** The part of a run that is plain JSON. */
type Progress = Omit<Run, 'stream' | 'session' | 'result'>;

export class RunStore {
  readonly #db: DatabaseSync;

  constructor(file: string) {
    this.#db = openHostStore(file, MIGRATIONS);
  }

  save({ spec, lease, run, told }: StoredRun, nowMs: number): void {
    const { stream, session, result, ...progress } = run;
    this.#db
      .prepare('INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
      .run(
        attemptKey(lease.attempt),
        codec('RunSpec').encode(spec),
        JSON.stringify(progress satisfies Progress),
        stream === null ? null : codec('StreamState').encode(stream),
        session === null ? null : codec('SessionState').encode(session),
        result === null ? null : codec('RunResult').encode(result),
        told ? 1 : 0,
        nowMs,
      );
  }

  all(): StoredRun[] {
    const rows = this.#db.prepare('SELECT * FROM runs').all() as unknown as Row[];
    return rows.map((row) => {
      const spec = codec('RunSpec').decode(row.spec);
      const run: Run = {
        ...(JSON.parse(row.progress) as Progress),
        stream: row.stream === null ? null : codec('StreamState').decode(row.stream),
        session: row.session === null ? null : codec('SessionState').decode(row.session),
        result: row.result === null ? null : codec('RunResult').decode(row.result),
      };
      return { spec, lease: leaseOf(spec.grant), run, told: row.told === 1 };
    });
  }

  /** Removes what ended long ago and was told; answers the attempts that are gone. */
  forget(nowMs: number): string[] {
    const rows = this.#db
      .prepare('DELETE FROM runs WHERE told = 1 AND updated_ms < ? RETURNING attempt')
      .all(nowMs - KEEP_MS) as unknown as { attempt: string }[];
    return rows.map(({ attempt }) => attempt);
  }

  close(): void {
    this.#db.close();
  }
}
