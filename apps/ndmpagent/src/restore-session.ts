// A restore over NDMP: the filer is given a name list and reads from bptm, which sends the ranges that the filer asks for here.

import type { RestoreStep, StartRestoreRequest } from '@tapestry/contracts';
import { refOf } from '@tapestry/runtime/fence';
import { pause, untilAnswered } from '@tapestry/runtime/until-answered';
import { asStatusError, StatusError } from '@tapestry/status';
import { fetchAccess } from './adapters/credential.ts';
import { callFailure, restoreCounts } from './core/outcome.ts';
import { chooseButype } from './core/quirks.ts';
import { planRecover } from './core/recover-plan.ts';
import { DataPhase } from './data-phase.ts';
import { type Filer, moverEndpoints, openFiler } from './filer.ts';
import type { SessionContext } from './session-context.ts';
import { endFiler } from './session-end.ts';

/** A filer that reads without asking first gets the whole image after this long. */
const ASK_MAX_MS = 15_000;
const TO_THE_END = 0xffff_ffff_ffff_ffffn;

/** Resolves when the filer halted well; its results are in the session. Errors: 41, 47, 58, 902, 2813, … */
export async function runRestore(
  context: SessionContext,
  request: StartRestoreRequest,
): Promise<void> {
  const { parts, filerLog, lease, signal } = context;
  const { job } = request;
  const step = job?.restore?.steps[request.restoreStep];
  if (!job || !step)
    throw new StatusError('invalidRequest', 'the restore names no step of its job');
  const host = job.restore?.destClient || job.client;
  const ranges = new RangeForwarder(context, (error) => phase.break(error));
  const phase: DataPhase = new DataPhase({
    ...{ host, isRestore: true, log: filerLog },
    onRead: (offset, length) => ranges.forward(offset, length),
  });
  const onAbort = (): void => phase.break(signal.reason as StatusError);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const access = await fetchAccess(parts.nbemm, lease, host, signal);
    filerLog.tell('connecting', `connecting to NDMP host ${host}`);
    const { connectTimeoutMs, callTimeoutMs } = parts.config;
    const filer = await openFiler({
      ...{ host, access, handlers: phase.handlers(), signal, connectTimeoutMs, callTimeoutMs },
      moreQuirks: parts.quirks,
    });
    try {
      await startRestore(context, { request, step, host, filer, ranges });
      await phase.ended(filer.client, parts.config.pollEveryMs, (bytes) =>
        context.update({ bytes }),
      );
      await keepResult(context, step, filer, phase);
    } finally {
      await endFiler(filer, context);
    }
  } finally {
    ranges.close();
    signal.removeEventListener('abort', onAbort);
  }
}

interface Start {
  readonly request: StartRestoreRequest;
  readonly step: RestoreStep;
  readonly host: string;
  readonly filer: Filer;
  readonly ranges: RangeForwarder;
}

async function startRestore(
  context: SessionContext,
  { request, step, host, filer, ranges }: Start,
): Promise<void> {
  const { parts, filerLog, signal } = context;
  const { client, quirks, butypes, version } = filer;
  filerLog.tell('connected', `connected to ${host}; NDMP version ${version}, ${filer.auth} log-in`);
  const butype = chooseButype({
    ...{ offered: butypes, named: step.butype, planned: '', preferred: quirks.butypes },
  });
  if (butype === undefined) {
    const detail = `${host} does not restore type ${step.butype}; it knows ${butypes.join(', ')}`;
    throw new StatusError('ndmpRestoreFailed', detail);
  }
  const { names, env, direct } = planRecover(step, version, quirks);
  const endpoints = await moverEndpoints(request.moverAddresses);
  await client.dataConnect({ type: 'tcp', endpoints }, { signal }).catch((error: unknown) => {
    throw callFailure(error, host, 'connect to this media server', filerLog.tail);
  });
  const recover = { butype, env: [...env], names: [...names] };
  const options = { timeoutMs: parts.config.startTimeoutMs, signal };
  await client.startRecover(recover, options).catch((error: unknown) => {
    throw callFailure(error, host, `start the restore of ${step.backupId}`, filerLog.tail);
  });
  const how = direct ? 'direct access' : 'reading the whole image';
  filerLog.tell('started', `restore of ${names.length} entries from ${step.backupId}: ${how}`);
  const change = { phase: 'SESSION_PHASE_MOVING', path: step.path, butype } as const;
  context.update(change, 'durable');
  if (!direct) void ranges.sendAllUnlessAsked(ASK_MAX_MS);
}

async function keepResult(
  context: SessionContext,
  step: RestoreStep,
  { client }: Filer,
  phase: DataPhase,
): Promise<void> {
  const { signal, filerLog } = context;
  const { bytesProcessed } = await client.getState({ signal }).catch(() => ({
    bytesProcessed: context.session().bytes,
  }));
  await client.stop({ signal }).catch(() => undefined);
  const { expectedFiles } = step;
  const { files, filesFailed } = restoreCounts({ expectedFiles, ...phase.results });
  const text = `the filer is done: ${files} files restored, ${filesFailed} failed`;
  filerLog.tell('halted', text, filesFailed > 0n ? 'warning' : 'info');
  const done = { halted: true, haltedBytes: bytesProcessed, bytes: bytesProcessed };
  const ended = { phase: 'SESSION_PHASE_DONE', ...done, files, filesFailed } as const;
  context.update(ended, 'durable');
}

/** Passes the filer's asks to this host's bptm, in their order, one after the other. */
class RangeForwarder {
  readonly #context: SessionContext;
  readonly #onFailure: (error: StatusError) => void;
  readonly #closed = new AbortController();
  #sequence = 0;
  #last: Promise<void> = Promise.resolve();

  constructor(context: SessionContext, onFailure: (error: StatusError) => void) {
    this.#context = context;
    this.#onFailure = onFailure;
  }

  forward(offset: bigint, length: bigint): void {
    this.#sequence += 1;
    const sequence = this.#sequence;
    this.#last = this.#last.then(() => this.#send(sequence, offset, length));
  }

  async sendAllUnlessAsked(waitMs: number): Promise<void> {
    await pause(waitMs, AbortSignal.any([this.#closed.signal, this.#context.signal]));
    const { phase } = this.#context.session();
    if (this.#sequence > 0 || phase !== 'SESSION_PHASE_MOVING' || this.#closed.signal.aborted)
      return;
    this.#context.filerLog.tell(
      'unasked',
      'the filer asks for nothing: it is sent the whole image',
    );
    this.forward(0n, TO_THE_END);
  }

  close(): void {
    this.#closed.abort(new Error('the session is over'));
  }

  async #send(sequence: number, offset: bigint, length: bigint): Promise<void> {
    const { parts, lease, signal } = this.#context;
    const grant = refOf(lease);
    try {
      await untilAnswered(
        (call) => parts.bptm.SendRange({ grant, sequence, offset, length }, { signal: call }),
        { signal: AbortSignal.any([signal, this.#closed.signal]) },
      );
    } catch (error) {
      if (signal.aborted || this.#closed.signal.aborted) return;
      this.#onFailure(asStatusError(error));
    }
  }
}
