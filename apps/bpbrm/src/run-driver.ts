// One run at work: asks its children, watches them, and tells nbjm the end. State is on the disk before it has effects.

import type { Bus, Client } from '@tapestry/bus';
import type { GrantRef, JobType, RunRow, RunSpec, Status } from '@tapestry/contracts';
import type { Clock, Logger } from '@tapestry/runtime';
import { tellDetail } from '@tapestry/runtime';
import { attemptKey, type Lease, refOf } from '@tapestry/runtime/fence';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { asStatusError, StatusError, toWire } from '@tapestry/status';
import type { RunStore, StoredRun } from './adapters/run-store.ts';
import type { Config } from './config.ts';
import { newRun, operationOf, type Run, type RunEffect, type RunEvent, step } from './core/run.ts';
import { ProgressTeller } from './progress-teller.ts';

export interface DriverParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: Readonly<Config>;
  readonly store: RunStore;
  readonly bptm: Client<'bptm'>;
  readonly agent: Client<'ndmpagent'>;
  readonly nbjm: Client<'nbjm'>;
  /** Aborts when the daemon stops: the children go on, the next start takes them up. */
  readonly stopping: AbortSignal;
}

/** A child that dies with a poll in its hands is only missed when the poll's deadline passes: so long after its wait. */
const WATCH_GRACE_MS = 2_000;
const AWAY_PAUSE_MAX_MS = 2_000;

export class RunDriver {
  readonly lease: Lease;
  readonly key: string;
  readonly #parts: DriverParts;
  readonly #spec: RunSpec;
  readonly #ref: GrantRef;
  readonly #progress: ProgressTeller;
  /** Ends the waiting for children once the run is over. */
  readonly #over = new AbortController();
  /** A start that is still asked for ends when its abort comes. */
  readonly #streamStart = new AbortController();
  readonly #sessionStart = new AbortController();
  #streamCalls: Promise<void> = Promise.resolve();
  #sessionCalls: Promise<void> = Promise.resolve();
  #run: Run;
  #told: boolean;
  #watchesStream = false;
  #watchesSession = false;

  constructor(parts: DriverParts, stored: Pick<StoredRun, 'spec' | 'lease'> & Partial<StoredRun>) {
    this.#parts = parts;
    this.#spec = stored.spec;
    this.lease = stored.lease;
    this.key = attemptKey(stored.lease.attempt);
    this.#ref = refOf(stored.lease);
    const kind = KINDS[stored.spec.job?.type ?? 'JOB_TYPE_BACKUP'] ?? 'backup';
    const backupId = stored.spec.image?.backupId ?? '';
    this.#run = stored.run ?? newRun(kind, backupId, parts.clock.nowMs());
    this.#told = stored.told ?? false;
    this.#progress = new ProgressTeller(parts.bus, parts.clock, stored.lease.attempt);
  }

  start(): void {
    this.#tell('start', 'started process; starting bptm');
    this.apply({ type: 'started' });
  }

  resume(): void {
    if (this.#told) return;
    this.apply({ type: 'resumed' });
    if (this.#run.result !== null) return;
    if (this.#run.stream !== null) this.#watchStream();
    if (this.#run.session !== null) this.#watchSession();
  }

  apply(event: RunEvent): void {
    const { stopping, clock, config } = this.#parts;
    if (stopping.aborted) return;
    const before = this.#run;
    const { run, effects } = step(before, event, clock.nowMs(), config);
    if (run === before && effects.length === 0) return;
    this.#run = run;
    if (effects.length > 0 || phasesDiffer(before, run)) this.#save();
    if (run.result !== null) this.#over.abort(new Error('the run is over'));
    else this.#progress.tell(run, operationOf(run));
    for (const effect of effects) this.#perform(effect);
  }

  row(): RunRow {
    return { grant: this.#ref, phase: operationOf(this.#run), result: this.#run.result };
  }

  get isOver(): boolean {
    return this.#run.result !== null;
  }

  #save(): void {
    const { store, clock } = this.#parts;
    const stored = { spec: this.#spec, lease: this.lease, run: this.#run, told: this.#told };
    store.save(stored, clock.nowMs());
  }

  #perform(effect: RunEffect): void {
    const { bptm, agent } = this.#parts;
    const grant = this.#ref;
    switch (effect.do) {
      case 'openStream':
        this.#callStream('open', (signal) => this.#openStream(signal));
        break;
      case 'startSession':
        this.#tell('session', 'starting the NDMP session');
        this.#callSession('start', (signal) => this.#startSession(effect, signal));
        break;
      case 'finishStream': {
        const { expectedBytes, env } = effect;
        const request = { grant, expectedBytes, env: [...env] };
        this.#callStream('finish', (signal) => bptm.FinishStream(request, { signal }));
        break;
      }
      case 'abortStream': {
        const request = { grant, reason: effect.reason };
        this.#streamStart.abort(new Error('the stream is to end'));
        this.#callStream('abort', (signal) => bptm.AbortStream(request, { signal }));
        break;
      }
      case 'abortSession': {
        const request = { grant, reason: effect.reason };
        this.#sessionStart.abort(new Error('the session is to end'));
        this.#callSession('abort', (signal) => agent.AbortSession(request, { signal }));
        break;
      }
      case 'end':
        void this.#tellEnd();
    }
  }

  #openStream(signal: AbortSignal): Promise<unknown> {
    const { grant, job, image, restoreStep } = this.#spec;
    const source = job?.restore?.steps[restoreStep];
    return this.#parts.bptm.OpenStream(
      {
        ...{ grant, job, image },
        fragments: source?.fragments ?? [],
        backupId: source?.backupId ?? image?.backupId ?? '',
        imageBytes: source?.imageBytes ?? 0n,
      },
      { signal },
    );
  }

  #startSession(
    { addresses, dataPath }: RunEffect & { do: 'startSession' },
    signal: AbortSignal,
  ): Promise<unknown> {
    const { job, image, restoreStep } = this.#spec;
    const shared = { grant: this.#ref, job, moverAddresses: [...addresses], dataPath };
    const { agent } = this.#parts;
    return this.#run.kind === 'restore'
      ? agent.StartRestore({ ...shared, restoreStep }, { signal })
      : agent.StartBackup({ ...shared, image }, { signal });
  }

  /** Calls to one child go out in their order; a start makes room for the abort behind it. */
  #callStream(
    what: 'open' | 'finish' | 'abort',
    call: (signal: AbortSignal) => Promise<unknown>,
  ): void {
    const give = what === 'abort' ? [] : [this.#streamStart.signal];
    this.#streamCalls = this.#streamCalls.then(async () => {
      const refusal = await this.#until(call, give);
      if (refusal !== null) this.apply({ type: 'streamLost', status: refusal });
      else if (what !== 'finish') this.#watchStream();
    });
  }

  #callSession(what: 'start' | 'abort', call: (signal: AbortSignal) => Promise<unknown>): void {
    const give = what === 'abort' ? [] : [this.#sessionStart.signal];
    this.#sessionCalls = this.#sessionCalls.then(async () => {
      const refusal = await this.#until(call, give);
      if (refusal !== null) this.apply({ type: 'sessionLost', status: refusal });
      else this.#watchSession();
    });
  }

  /** Null when the call was answered well, or is no longer wanted; else the child's refusal. */
  async #until(
    call: (signal: AbortSignal) => Promise<unknown>,
    ends: readonly AbortSignal[],
  ): Promise<Status | null> {
    const signal = AbortSignal.any([this.#parts.stopping, this.#over.signal, ...ends]);
    try {
      await untilAnswered(call, { signal });
      return null;
    } catch (error) {
      return signal.aborted ? null : toWire(asStatusError(error));
    }
  }

  #watchStream(): void {
    if (this.#watchesStream) return;
    this.#watchesStream = true;
    const waitMs = this.#parts.config.watchMs;
    const lost = new StatusError('tapeMgrKilled', 'bptm no longer knows the stream');
    void this.#watch({
      poll: (afterVersion, signal) =>
        this.#parts.bptm.WatchStream(
          { grant: this.#ref, afterVersion, waitMs },
          { signal, deadlineMs: waitMs + WATCH_GRACE_MS },
        ),
      hear: (state) => this.apply({ type: 'stream', state }),
      isLast: ({ phase }) => phase === 'STREAM_PHASE_DONE' || phase === 'STREAM_PHASE_FAILED',
      lose: (status) => this.apply({ type: 'streamLost', status }),
      lost,
    });
  }

  #watchSession(): void {
    if (this.#watchesSession) return;
    this.#watchesSession = true;
    const waitMs = this.#parts.config.watchMs;
    const lost = new StatusError('clientAborted', 'ndmpagent no longer knows the session');
    void this.#watch({
      poll: (afterVersion, signal) =>
        this.#parts.agent.WatchSession(
          { grant: this.#ref, afterVersion, waitMs },
          { signal, deadlineMs: waitMs + WATCH_GRACE_MS },
        ),
      hear: (state) => this.apply({ type: 'session', state }),
      isLast: ({ phase }) => phase === 'SESSION_PHASE_DONE' || phase === 'SESSION_PHASE_FAILED',
      lose: (status) => this.apply({ type: 'sessionLost', status }),
      lost,
    });
  }

  /** Long polls until the child's last state, or until it does not know us any more. */
  async #watch<S extends { readonly version: bigint }>(watch: Watch<S>): Promise<void> {
    const signal = AbortSignal.any([this.#parts.stopping, this.#over.signal]);
    let version = 0n;
    while (!signal.aborted) {
      try {
        const state = await untilAnswered((call) => watch.poll(version, call), {
          signal,
          pauseMaxMs: AWAY_PAUSE_MAX_MS,
        });
        if (state.version === version) continue;
        version = state.version;
        watch.hear(state);
        if (watch.isLast(state)) return;
      } catch (error) {
        if (signal.aborted) return;
        const failure = asStatusError(error);
        watch.lose(toWire(failure.status === 'notFound' ? watch.lost : failure));
        return;
      }
    }
  }

  async #tellEnd(): Promise<void> {
    const { nbjm, stopping, log } = this.#parts;
    const { result } = this.#run;
    const status = result?.status;
    this.#tell('end', `end of the run; status ${status?.code}${describe(status)}`);
    try {
      await untilAnswered(
        (signal) => nbjm.RunEnded({ grant: this.#ref, result }, { signal }),
        // nbjm is the one who must know: only its answer ends this, and a refusal is one.
        { signal: stopping, isAnswer: (error) => FINAL.has(error.status) },
      );
    } catch (error) {
      if (stopping.aborted) return;
      log.warn({ err: error, run: this.key }, 'nbjm does not want the end of a run');
    }
    if (stopping.aborted) return;
    this.#told = true;
    this.#save();
  }

  #tell(key: string, text: string): void {
    const { attempt } = this.lease;
    tellDetail(this.#parts.bus, { attempt, producer: 'bpbrm', text, key });
  }
}

interface Watch<S> {
  poll(afterVersion: bigint, signal: AbortSignal): Promise<S>;
  hear(state: S): void;
  isLast(state: S): boolean;
  lose(status: Status): void;
  readonly lost: StatusError;
}

/** What nbjm has media servers do; image cleanup is none of theirs. */
const KINDS: Readonly<Partial<Record<JobType, Run['kind']>>> = {
  JOB_TYPE_BACKUP: 'backup',
  JOB_TYPE_RESTORE: 'restore',
  JOB_TYPE_LABEL: 'label',
  JOB_TYPE_ERASE: 'label',
};

/** Refusals of nbjm that no repeat would change. */
const FINAL: ReadonlySet<string> = new Set([
  ...['staleGrant', 'jobMissing', 'invalidRequest', 'notImplemented', 'accessNotAllowed'],
]);

function describe(status: Status | null | undefined): string {
  return status && status.detail !== '' ? `: ${status.detail}` : '';
}

/** Counters alone are not worth a write to the disk. */
function phasesDiffer(before: Run, after: Run): boolean {
  return (
    before.stream?.phase !== after.stream?.phase ||
    before.session?.phase !== after.session?.phase ||
    before.session?.halted !== after.session?.halted
  );
}
