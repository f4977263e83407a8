// A restore over NDMP: the filer is given a name list and reads from bptm, which sends the ranges that the filer asks for here.

import type { RestoreStep, StartRestoreRequest } from '@tapestry/contracts';
import { refOf } from '@tapestry/runtime/fence';
import { pause, untilAnswered } from '@tapestry/runtime/until-answered';
import { asStatusError, StatusError } from '@tapestry/status';
import { restoreCounts } from './core/outcome.ts';
import { DataPhase } from './data-phase.ts';
import type { Filer } from './filer.ts';
import { rememberRefusal, startRecover } from './recover-start.ts';
import type { SessionContext } from './session-context.ts';
import { endFiler } from './session-end.ts';
import { openForSession } from './session-filer.ts';

/** A filer that reads without asking first gets the whole image after this long. */
const ASK_MAX_MS = 15_000;
const TO_THE_END = 0xffff_ffff_ffff_ffffn;

/** Resolves when the filer halted well; its results are in the session. Errors: 41, 47, 58, 902, 2813, … */
export async function runRestore(
  context: SessionContext,
  request: StartRestoreRequest,
): Promise<void> {
  const { parts, signal, filerLog } = context;
  const { job } = request;
  const step = job?.restore?.steps[request.restoreStep];
  if (!job || !step)
    throw new StatusError('invalidRequest', 'the restore names no step of its job');
  const host = job.restore?.destClient || job.client;
  const isLocal = request.dataPath === 'DATA_PATH_LOCAL';
  const ranges = new RangeForwarder(context, (error) => phase.break(error));
  const phase: DataPhase = new DataPhase({
    ...{ host, isRestore: true, log: filerLog },
    // A mover in the same session serves its data service by itself.
    onRead: (offset, length) => {
      if (!isLocal) ranges.forward(offset, length);
    },
  });
  const onAbort = (): void => phase.break(signal.reason as StatusError);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    const filer = await openForSession(context, host, phase, isLocal);
    try {
      const { direct } = await startRecover(context, { mover: request, step, host, filer });
      if (!direct && !isLocal) void ranges.sendAllUnlessAsked(ASK_MAX_MS);
      await phase
        .ended(filer.client, parts.config.pollEveryMs, (bytes) => context.update({ bytes }))
        .catch((error: unknown) => {
          throw direct ? rememberRefusal(context, host, error) : error;
        });
      await keepResult(context, step, filer, phase);
    } finally {
      await endFiler(filer, context);
    }
  } finally {
    ranges.close();
    signal.removeEventListener('abort', onAbort);
  }
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
