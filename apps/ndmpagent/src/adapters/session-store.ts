// Sessions that the agent must not forget: which ran, and of a well-ended backup all that its file list needs.

import type { StartRestoreRequest } from '@tapestry/contracts';
import { codec, type SessionState, type StartBackupRequest } from '@tapestry/contracts';
import { attemptKey, type Lease, leaseOf } from '@tapestry/runtime/fence';
import { type DatabaseSync, openHostStore } from '@tapestry/runtime/host-store';
import { isStatusName, STATUS } from '@tapestry/status';
import type { Session } from '../core/session.ts';

const MIGRATIONS = [
  `CREATE TABLE sessions (
     attempt TEXT PRIMARY KEY,
     kind TEXT NOT NULL,
     request BLOB NOT NULL,
     state BLOB NOT NULL,
     updated_ms INTEGER NOT NULL
   ) STRICT`,
  'CREATE TABLE direct_refusals (host TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT',
];

/** How long an ended session is still answered for. */
const KEEP_MS = 24 * 3_600_000;
/** A filer that refused direct access may have been changed: after so long it is tried again. */
const REFUSAL_MS = 7 * 24 * 3_600_000;

export type Work =
  | { readonly kind: 'backup'; readonly request: StartBackupRequest }
  | { readonly kind: 'restore'; readonly request: StartRestoreRequest };

export interface StoredSession {
  readonly work: Work;
  readonly lease: Lease;
  readonly session: Session;
}

interface Row {
  kind: 'backup' | 'restore';
  request: Uint8Array;
  state: Uint8Array;
}

export class SessionStore {
  readonly #db: DatabaseSync;

  constructor(file: string) {
    this.#db = openHostStore(file, MIGRATIONS);
  }

  save({ work, lease, session }: StoredSession, nowMs: number): void {
    const request =
      work.kind === 'backup'
        ? codec('StartBackupRequest').encode(work.request)
        : codec('StartRestoreRequest').encode(work.request);
    const state = codec('SessionState').encode(stateOf(session, 0n));
    this.#db
      .prepare('INSERT OR REPLACE INTO sessions VALUES (?, ?, ?, ?, ?)')
      .run(attemptKey(lease.attempt), work.kind, request, state, nowMs);
  }

  all(): StoredSession[] {
    const rows = this.#db.prepare('SELECT * FROM sessions').all() as unknown as Row[];
    return rows.map(({ kind, request, state }) => {
      const work: Work =
        kind === 'backup'
          ? { kind, request: codec('StartBackupRequest').decode(request) }
          : { kind, request: codec('StartRestoreRequest').decode(request) };
      const session = sessionOf(codec('SessionState').decode(state));
      return { work, lease: leaseOf(work.request.grant), session };
    });
  }

  /** Removes what ended long ago; answers the attempts that are gone. */
  forget(nowMs: number): string[] {
    const rows = this.#db
      .prepare('DELETE FROM sessions WHERE updated_ms < ? RETURNING attempt')
      .all(nowMs - KEEP_MS) as unknown as { attempt: string }[];
    return rows.map(({ attempt }) => attempt);
  }

  /** This filer refused direct access, or failed with it. */
  remember(host: string, nowMs: number): void {
    this.#db.prepare('INSERT OR REPLACE INTO direct_refusals VALUES (?, ?)').run(host, nowMs);
  }

  /** It did so lately. */
  knows(host: string, nowMs: number): boolean {
    const row = this.#db
      .prepare('SELECT 1 FROM direct_refusals WHERE host = ? AND at_ms > ?')
      .get(host, nowMs - REFUSAL_MS);
    return row !== undefined;
  }

  close(): void {
    this.#db.close();
  }
}

/** What a watcher sees. */
export function stateOf(session: Session, version: bigint): SessionState {
  const { failure } = session;
  return {
    version,
    ...{ phase: session.phase, bytes: session.bytes, files: session.files },
    ...{ filesFailed: session.filesFailed, halted: session.halted },
    ...{ haltedBytes: session.haltedBytes, env: [...session.env] },
    ...{ fileList: session.fileList, path: session.path, butype: session.butype },
    status:
      failure === null
        ? null
        : {
            ...{ code: STATUS[failure.status].code, name: failure.status },
            ...{ detail: failure.detail, context: { reason: failure.reason } },
          },
  };
}

function sessionOf(state: SessionState): Session {
  const { status } = state;
  return {
    ...{ phase: state.phase, bytes: state.bytes, files: state.files },
    ...{ filesFailed: state.filesFailed, halted: state.halted, haltedBytes: state.haltedBytes },
    ...{ env: state.env, butype: state.butype, path: state.path, fileList: state.fileList },
    failure:
      status === null || status.code === 0
        ? null
        : {
            status: isStatusName(status.name) ? status.name : 'ndmpFailed',
            detail: status.detail,
            reason: status.context.reason ?? 'unknown',
          },
  };
}
