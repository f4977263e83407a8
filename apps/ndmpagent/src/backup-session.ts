// A backup over NDMP, from the credential to a halt that is on the disk. The bytes go from the filer to bptm; only history,
// log lines and state come here.

import { rm } from 'node:fs/promises';
import type { StartBackupRequest } from '@tapestry/contracts';
import type { Pval } from '@tapestry/ndmp';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { StatusError } from '@tapestry/status';
import { backupEnv, envToKeep, lookUp } from './core/backup-env.ts';
import { chooseButype, historyFor } from './core/filer-choice.ts';
import { emptyFailure } from './core/outcome.ts';
import { connectData } from './data-connection.ts';
import { DataPhase } from './data-phase.ts';
import { startFailure } from './data-start.ts';
import type { Filer } from './filer.ts';
import { HistoryRecorder } from './history-recorder.ts';
import type { SessionContext } from './session-context.ts';
import { endFiler } from './session-end.ts';
import { openForSession } from './session-filer.ts';

/** Resolves when the filer halted well, its history is fsynced and its environment saved. Errors: 41, 47, 58, 99, 902, … */
export async function runBackup(
  context: SessionContext,
  request: StartBackupRequest,
  spoolPath: string,
): Promise<void> {
  const { parts, filerLog } = context;
  const { job } = request;
  if (!job?.backup || !request.image) {
    throw new StatusError('invalidRequest', 'the backup lacks its job, path or image');
  }
  await rm(spoolPath, { force: true });
  const broken = { fail: (_error: StatusError): void => undefined };
  const recorder = await HistoryRecorder.create(spoolPath, (error) => broken.fail(error));
  const phase = new DataPhase({
    ...{ host: job.client, isRestore: false, log: filerLog },
    onHistory: (post) => recorder.record(post),
  });
  broken.fail = (error) => phase.break(error);
  const onAbort = (): void => phase.break(context.signal.reason as StatusError);
  context.signal.addEventListener('abort', onAbort, { once: true });
  try {
    const filer = await openForSession(
      context,
      job.client,
      phase,
      request.dataPath === 'DATA_PATH_LOCAL',
    );
    recorder.throttleWith(filer.socket);
    try {
      const sent = await startBackup(context, request, filer);
      await phase.ended(filer.client, parts.config.pollEveryMs, (bytes) =>
        context.update({ bytes, files: recorder.files }),
      );
      await keepHalt(context, request, filer, recorder, sent);
    } finally {
      await endFiler(filer, context);
    }
  } catch (error) {
    await recorder.abandon();
    throw error;
  } finally {
    context.signal.removeEventListener('abort', onAbort);
  }
}

/** Answers the environment that was sent. */
async function startBackup(
  context: SessionContext,
  request: StartBackupRequest,
  filer: Filer,
): Promise<readonly Pval[]> {
  const { parts, filerLog, signal } = context;
  const { client, quirks, butypes } = filer;
  const { client: host, backup } = request.job!;
  const image = request.image!;
  const { path, env: policyEnv } = backup!;
  const named = lookUp(policyEnv, 'TYPE') ?? '';
  const planned = lookUp(image.baseEnv, 'TYPE') ?? image.butype;
  const offered = butypes.map(({ name }) => name);
  const butype = chooseButype({ offered, named, planned, preferred: quirks.butypes });
  if (butype === undefined) {
    const detail = `${host} does not offer backup type ${named}; it offers ${offered.join(', ')}`;
    throw new StatusError('ndmpFailed', `${detail}: change TYPE in the policy`);
  }
  const { value: history } = historyFor(quirks, butype, butypes);
  const made = backupEnv({ path, butype, image, policyEnv, quirks, history });
  if (made.recordsDate) await markUnsure(context, image.backupId);
  const start = { context, filer, host, isRestore: false };
  await connectData(start, request);
  const options = { timeoutMs: parts.config.startTimeoutMs, signal };
  await client.startBackup({ butype, env: [...made.env] }, options).catch(async (error) => {
    throw await startFailure(error, start, `start the backup of ${path}`);
  });
  filerLog.tell('started', `backup of ${path} runs on ${host}: type ${butype}, ${made.base}`);
  context.update({ phase: 'SESSION_PHASE_MOVING', path, butype }, 'durable');
  return [...made.env];
}

/** The filer will record a dump date: until the image is validated, nothing may be based on it. */
async function markUnsure({ parts, lease, signal }: SessionContext, backupId: string) {
  await untilAnswered(
    (call) => parts.bpdbm.MarkUnsure({ attempt: lease.attempt, backupId }, { signal: call }),
    { signal },
  );
}

/** In this order: count and environment from the filer, history onto the disk, then all of it told. */
async function keepHalt(
  context: SessionContext,
  { job }: StartBackupRequest,
  { client }: Filer,
  recorder: HistoryRecorder,
  sent: readonly Pval[],
): Promise<void> {
  const { filerLog, signal } = context;
  const { bytesProcessed } = await client.getState({ signal });
  const returned = await client.getEnv({ signal }).catch((error: unknown) => {
    const text = 'the filer did not return its environment; some restores may need it';
    filerLog.tell('no-env', `${text} (${(error as Error).message})`, 'warning');
    return [];
  });
  // Some filers post history after the halt, until they are told to stop.
  await client.stop({ signal }).catch(() => undefined);
  await recorder.close();
  const env = envToKeep(sent, returned);
  const files = recorder.files;
  const facts = { host: job!.client, path: job!.backup!.path, logTail: filerLog.tail };
  const empty = emptyFailure({ ...facts, bytes: bytesProcessed, files });
  if (empty !== null) throw empty;
  const done = { halted: true, haltedBytes: bytesProcessed, bytes: bytesProcessed, env, files };
  context.update({ ...done, phase: 'SESSION_PHASE_HALTED' }, 'durable');
  filerLog.tell('halted', `the filer is done: ${bytesProcessed} bytes, ${files} files`);
}
