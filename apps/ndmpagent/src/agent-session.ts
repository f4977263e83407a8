// One session from its start to its end, whichever way: saved, watched, and broken off when it is told to.

import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { attemptKey, type Lease } from '@tapestry/runtime/fence';
import { Watched } from '@tapestry/runtime/watched';
import { asStatusError, type StatusError } from '@tapestry/status';
import type { SessionStore, StoredSession, Work } from './adapters/session-store.ts';
import { runBackup } from './backup-session.ts';
import { runCatalog } from './catalog-phase.ts';
import {
  afterRestart,
  isOver,
  NEW_SESSION,
  type Session,
  type SessionFailure,
} from './core/session.ts';
import { FilerLog } from './filer-log.ts';
import { runRestore } from './restore-session.ts';
import type { SessionContext } from './session-context.ts';

export class AgentSession {
  readonly lease: Lease;
  readonly key: string;
  readonly watched: Watched<Session>;
  readonly #parts: SessionContext['parts'];
  readonly #store: SessionStore;
  readonly #work: Work;
  readonly #abort = new AbortController();
  readonly #filerLog: FilerLog;
  #running: Promise<void> = Promise.resolve();

  constructor(
    parts: SessionContext['parts'],
    store: SessionStore,
    stored: Omit<StoredSession, 'session'> & { session?: Session },
  ) {
    this.#parts = parts;
    this.#store = store;
    this.#work = stored.work;
    this.lease = stored.lease;
    this.key = attemptKey(stored.lease.attempt);
    this.watched = new Watched(stored.session ?? NEW_SESSION);
    this.#filerLog = new FilerLog(parts.bus, stored.lease);
  }

  get session(): Session {
    return this.watched.now.value;
  }

  start(): void {
    this.#update({}, 'durable');
    this.#running = this.#run(async (context) => {
      if (this.#work.kind === 'restore') return runRestore(context, this.#work.request);
      await runBackup(context, this.#work.request, this.#spoolPath);
      await runCatalog(context, this.#work.request, this.#spoolPath);
    });
  }

  /** After a restart: a data phase died with us, a file list is made again. */
  resume(): void {
    const next = afterRestart(this.session);
    if (next === 'over') return;
    const work = this.#work;
    if (next === 'catalog' && work.kind === 'backup') {
      this.#running = this.#run((context) => runCatalog(context, work.request, this.#spoolPath));
      return;
    }
    const detail = 'ndmpagent was restarted: its connection to the filer was lost';
    const status = work.kind === 'backup' ? 'ndmpFailed' : 'ndmpRestoreFailed';
    this.#fail({ status, detail, reason: 'connectionLost' });
  }

  /** Resolves when nothing of the session's work goes on in this process. */
  get settled(): Promise<void> {
    return this.#running;
  }

  /** Ends the session with this status. Harmless when it is over. */
  abort(reason: StatusError): void {
    this.#abort.abort(reason);
  }

  get #spoolPath(): string {
    return join(this.#parts.workDir, `${this.key.replaceAll('/', '-')}.spool`);
  }

  async #run(work: (context: SessionContext) => Promise<void>): Promise<void> {
    const { stopping, log } = this.#parts;
    const context: SessionContext = {
      parts: this.#parts,
      lease: this.lease,
      filerLog: this.#filerLog,
      signal: AbortSignal.any([this.#abort.signal, stopping]),
      session: () => this.session,
      update: (change, durable) => this.#update(change, durable),
    };
    try {
      await work(context);
    } catch (error) {
      // A daemon that stops leaves all as it stands: the next start decides.
      if (stopping.aborted) return;
      const failure = this.#abort.signal.aborted
        ? (this.#abort.signal.reason as StatusError)
        : asStatusError(error, 'ndmpFailed');
      if (!(error instanceof Error) || error.name !== 'StatusError') {
        log.error({ err: error, session: this.key }, 'a session failed unexpectedly');
      }
      const { status, detail, context: facts } = failure;
      this.#fail({ status, detail, reason: String(facts.reason ?? 'unknown') });
    }
  }

  #fail(failure: SessionFailure): void {
    if (isOver(this.session)) return;
    this.#filerLog.tell('failed', failure.detail, 'error');
    this.#update({ phase: 'SESSION_PHASE_FAILED', failure }, 'durable');
    // Nobody will ask for its history: the next try makes its own.
    void rm(this.#spoolPath, { force: true });
    void rm(`${this.#spoolPath}.parquet`, { force: true });
  }

  #update(change: Partial<Session>, durable?: 'durable'): void {
    if (this.#parts.stopping.aborted) return;
    const session = { ...this.session, ...change };
    if (durable !== undefined) {
      const stored = { work: this.#work, lease: this.lease, session };
      this.#store.save(stored, this.#parts.clock.nowMs());
    }
    this.watched.set(session);
  }
}
