// What bptm must not forget: its streams, the calls that are still to be answered, and the drive processes it started.

import { codec, type OpenStreamRequest, type StreamState } from '@tapestry/contracts';
import type { ProcessMark } from '@tapestry/processes';
import { attemptKey, type Lease, leaseOf } from '@tapestry/runtime/fence';
import { type DatabaseSync, inTransaction, openHostStore } from '@tapestry/runtime/host-store';
import { isStatusName, STATUS } from '@tapestry/status';
import { isLabel } from '../core/orders.ts';
import { isOver, NEW_STREAM, type Stream } from '../core/stream.ts';

const MIGRATIONS = [
  `CREATE TABLE streams (
     attempt TEXT PRIMARY KEY,
     request BLOB NOT NULL,
     state BLOB NOT NULL,
     holds TEXT NOT NULL,
     finished INTEGER NOT NULL,
     mount_asked INTEGER NOT NULL,
     unmounted INTEGER NOT NULL,
     updated_ms INTEGER NOT NULL
   ) STRICT;
   CREATE TABLE outbox (
     id INTEGER PRIMARY KEY AUTOINCREMENT,
     attempt TEXT NOT NULL,
     kind TEXT NOT NULL,
     number INTEGER NOT NULL,
     request BLOB NOT NULL,
     UNIQUE (attempt, kind, number)
   ) STRICT;
   CREATE TABLE drive_processes (pid INTEGER PRIMARY KEY, start_ticks TEXT NOT NULL) STRICT`,
];

/** How long an ended stream is still answered for. */
const KEEP_MS = 24 * 3_600_000;

export interface StoredStream {
  readonly request: OpenStreamRequest;
  readonly lease: Lease;
  readonly stream: Stream;
  /** ltid was asked to mount, and has not answered to the unmount. */
  readonly mountOpen: boolean;
}

/** A call to nbemm that is kept until it is answered. */
export interface Letter {
  readonly id: number;
  readonly attempt: string;
  readonly kind: 'fragment' | 'media';
  /** Fragment number; for media events a running number. */
  readonly number: number;
  readonly request: Uint8Array;
}

interface StreamRow {
  request: Uint8Array;
  state: Uint8Array;
  holds: string;
  finished: number;
  mount_asked: number;
  unmounted: number;
}

export class StreamStore {
  readonly #db: DatabaseSync;

  constructor(file: string) {
    this.#db = openHostStore(file, MIGRATIONS);
  }

  /** Saves the stream, and with it the letters that its change makes: all or nothing. */
  save(stored: StoredStream, letters: readonly Omit<Letter, 'id'>[], nowMs: number): void {
    inTransaction(this.#db, () => {
      this.#putStream(stored, nowMs);
      for (const { attempt, kind, number, request } of letters) {
        this.#db
          .prepare(
            'INSERT OR IGNORE INTO outbox (attempt, kind, number, request) VALUES (?, ?, ?, ?)',
          )
          .run(attempt, kind, number, request);
      }
    });
  }

  all(): StoredStream[] {
    const rows = this.#db.prepare('SELECT * FROM streams').all() as unknown as StreamRow[];
    return rows.map((row) => this.#read(row));
  }

  letters(attempt: string): Letter[] {
    return this.#db
      .prepare('SELECT * FROM outbox WHERE attempt = ? ORDER BY id')
      .all(attempt) as unknown as Letter[];
  }

  dropLetter(id: number): void {
    this.#db.prepare('DELETE FROM outbox WHERE id = ?').run(id);
  }

  /** Removes what ended long ago and owes nobody an answer. */
  forget(nowMs: number): string[] {
    const rows = this.#db
      .prepare(
        `DELETE FROM streams WHERE updated_ms < ? AND (mount_asked = 0 OR unmounted = 1)
           AND attempt NOT IN (SELECT attempt FROM outbox) RETURNING attempt`,
      )
      .all(nowMs - KEEP_MS) as unknown as { attempt: string }[];
    return rows.map(({ attempt }) => attempt);
  }

  processStarted({ pid, startTicks }: ProcessMark): void {
    this.#db
      .prepare('INSERT OR REPLACE INTO drive_processes (pid, start_ticks) VALUES (?, ?)')
      .run(pid, startTicks);
  }

  processEnded(pid: number): void {
    this.#db.prepare('DELETE FROM drive_processes WHERE pid = ?').run(pid);
  }

  processes(): ProcessMark[] {
    const rows = this.#db.prepare('SELECT pid, start_ticks FROM drive_processes').all();
    return rows.map((row) => ({
      pid: Number(row.pid),
      startTicks: String(row.start_ticks),
    }));
  }

  close(): void {
    this.#db.close();
  }

  #putStream({ request, lease, stream, mountOpen }: StoredStream, nowMs: number): void {
    const mountAsked = stream.holds !== 'nothing';
    this.#db
      .prepare(
        `INSERT OR REPLACE INTO streams
           (attempt, request, state, holds, finished, mount_asked, unmounted, updated_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
      )
      .run(
        attemptKey(lease.attempt),
        codec('OpenStreamRequest').encode(request),
        codec('StreamState').encode(stateOf(stream, 0n)),
        stream.holds,
        stream.finished ? 1 : 0,
        mountAsked ? 1 : 0,
        mountOpen ? 0 : 1,
        nowMs,
      );
  }

  #read(row: StreamRow): StoredStream {
    const request = codec('OpenStreamRequest').decode(row.request);
    const lease = leaseOf(request.grant);
    const state = codec('StreamState').decode(row.state);
    const waiting = this.letters(attemptKey(lease.attempt));
    return {
      request,
      lease,
      mountOpen: row.mount_asked === 1 && row.unmounted === 0,
      stream: {
        ...NEW_STREAM,
        ...{
          phase: state.phase,
          addresses: state.addresses,
          dataPath: state.dataPath,
          bytes: state.bytes,
        },
        ...{ endOfStream: state.endOfStream, fragments: state.fragments },
        ...kindOf(request),
        unrecorded: waiting.filter(({ kind }) => kind === 'fragment').map(({ number }) => number),
        failure: failureOf(state),
        holds: row.holds as Stream['holds'],
        finished: row.finished === 1,
        tapeAlerts: state.tapeAlerts,
      },
    };
  }
}

/** What of a stream its request decides. */
export function kindOf(
  request: OpenStreamRequest,
): Pick<Stream, 'mode' | 'medium' | 'volume' | 'volumeNumber'> {
  const { grant } = request;
  const moves = grant?.mode === 'DRIVE_MODE_READ' ? 'read' : 'write';
  return {
    volume: grant?.volume?.mediaId ?? '',
    volumeNumber: grant?.volumeNumber ?? 0,
    mode: isLabel(request) ? 'label' : moves,
    medium: grant === null || grant.diskPath === '' ? 'tape' : 'disk',
  };
}

/** While it waits for a volume, a stream does nothing else, however far it is. */
function phaseOf(stream: Stream): StreamState['phase'] {
  return stream.exchange !== null && !isOver(stream) ? 'STREAM_PHASE_NEXT_VOLUME' : stream.phase;
}

/** What a watcher sees. */
export function stateOf(stream: Stream, version: bigint): StreamState {
  const { failure } = stream;
  return {
    version,
    ...{ phase: phaseOf(stream), addresses: [...stream.addresses], bytes: stream.bytes },
    ...{ dataPath: stream.dataPath, tapeAlerts: [...stream.tapeAlerts] },
    ...{ endOfStream: stream.endOfStream, fragments: [...stream.fragments] },
    status:
      failure === null
        ? null
        : {
            ...{ code: STATUS[failure.status].code, name: failure.status },
            // Which volume it met, of several that an image goes on upon.
            ...{ detail: failure.detail, context: { mediaId: stream.volume } },
          },
  };
}

function failureOf({ status }: StreamState): Stream['failure'] {
  if (status === null || status.code === 0) return null;
  const name = isStatusName(status.name) ? status.name : 'tapeMgrSystemError';
  return { status: name, detail: status.detail };
}
