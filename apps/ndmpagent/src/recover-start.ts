// The start of a restore: with direct access where that is promising, and once more without it where the filer refuses.
// A filer that fails only later is remembered: our mover takes one data connection, so the next restore does without.

import type { RestoreStep } from '@tapestry/contracts';
import { asStatusError, StatusError } from '@tapestry/status';
import { type Choice, chooseButype, directFor } from './core/filer-choice.ts';
import { mayHaveFailedDirect, mayRefuseDirect } from './core/outcome.ts';
import { planRecover, type RecoverPlan } from './core/recover-plan.ts';
import { connectData, type MoverPlace } from './data-connection.ts';
import { type DataStart, startFailure } from './data-start.ts';
import type { Filer } from './filer.ts';
import type { SessionContext } from './session-context.ts';

export interface RecoverStart {
  readonly mover: MoverPlace;
  readonly step: RestoreStep;
  readonly host: string;
  readonly filer: Filer;
}

/** Resolves when the filer works. Errors: 47, 99, 2813. */
export async function startRecover(
  context: SessionContext,
  { mover, step, host, filer }: RecoverStart,
): Promise<RecoverPlan> {
  const { filerLog } = context;
  const { version, quirks } = filer;
  const butype = typeOf(step, host, filer);
  const direct = directOf(context, host, filer, butype);
  const start: DataStart = { context, filer, host, isRestore: true };
  await connectData(start, mover);
  let plan = planRecover(step, { version, quirks, direct });
  const doing = `start the restore of ${step.backupId}`;
  try {
    await begin(context, filer, butype, plan);
  } catch (error) {
    const failure = await startFailure(error, start, doing);
    if (!plan.direct || !mayRefuseDirect(error)) throw failure;
    const text = `${host} refused to start with direct access (${failure.detail})`;
    filerLog.tell('direct-refused', `${text}: the whole image is read instead`, 'warning');
    const whole = { value: false, why: `${host} refused direct access` };
    plan = planRecover(step, { version, quirks, direct: whole });
    await begin(context, filer, butype, plan).catch(async (again) => {
      throw await startFailure(again, start, doing);
    });
    context.parts.directRefusals.remember(host, context.parts.clock.nowMs());
  }
  const how = plan.direct ? 'direct access' : `reading the whole image (${plan.why})`;
  const text = `restore of ${plan.names.length} entries from ${step.backupId}: ${how}`;
  filerLog.tell('started', text);
  context.update({ phase: 'SESSION_PHASE_MOVING', path: step.path, butype }, 'durable');
  return plan;
}

/** A restore with direct access failed: when that may be the reason, the next one does without, and the error says so. */
export function rememberRefusal(context: SessionContext, host: string, error: unknown): unknown {
  const { directRefusals, clock } = context.parts;
  const failure = asStatusError(error, 'ndmpRestoreFailed');
  if (!mayHaveFailedDirect(failure, context.session().bytes)) return error;
  directRefusals.remember(host, clock.nowMs());
  const cure = 'start the restore again: it will read the whole image instead of single places';
  const { status, detail, context: facts } = failure;
  return new StatusError(status, `${detail}; ${cure}`, facts, { cause: error });
}

/** Error: 2813 the filer does not know the image's type. */
function typeOf(step: RestoreStep, host: string, { butypes, quirks }: Filer): string {
  const offered = butypes.map(({ name }) => name);
  const facts = { offered, named: step.butype, planned: '', preferred: quirks.butypes };
  const butype = chooseButype(facts);
  if (butype !== undefined) return butype;
  const detail = `${host} does not restore type ${step.butype}; it knows ${offered.join(', ')}`;
  throw new StatusError('ndmpRestoreFailed', detail);
}

function directOf(
  { parts }: SessionContext,
  host: string,
  { quirks, butypes }: Filer,
  butype: string,
): Choice<boolean> {
  if (parts.directRefusals.knows(host, parts.clock.nowMs())) {
    return { value: false, why: `${host} refused direct access lately` };
  }
  return directFor(quirks, butype, butypes);
}

function begin(
  { parts, signal }: SessionContext,
  { client }: Filer,
  butype: string,
  { env, names }: RecoverPlan,
): Promise<void> {
  const options = { timeoutMs: parts.config.startTimeoutMs, signal };
  return client.startRecover({ butype, env: [...env], names: [...names] }, options);
}
