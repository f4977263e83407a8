// A backup over NDMP, from the credential to a halt that is on the disk. The bytes go from the filer to bptm; only history,
// log lines and state come here.

import { rm } from 'node:fs/promises';
import type { JobSpec, StartBackupRequest } from '@tapestry/contracts';
import type { Pval } from '@tapestry/ndmp';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { StatusError } from '@tapestry/status';
import { fetchAccess } from './adapters/credential.ts';
import { backupEnv, envToKeep, lookUp } from './core/backup-env.ts';
import { callFailure } from './core/outcome.ts';
import { chooseButype } from './core/quirks.ts';
import { DataPhase } from './data-phase.ts';
import { type Filer, moverEndpoints, openFiler } from './filer.ts';
import { HistoryRecorder } from './history-recorder.ts';
import type { SessionContext } from './session-context.ts';
import { endFiler } from './session-end.ts';

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
    const filer = await open(context, job, phase);
    recorder.throttleWith(filer.socket);
    try {
      const sent = await startBackup(context, request, filer);
      await phase.ended(filer.client, parts.config.pollEveryMs, (bytes) =>
        context.update({ bytes, files: recorder.files }),
      );
      await keepHalt(context, filer, recorder, sent);
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

async function open(context: SessionContext, job: JobSpec, phase: DataPhase): Promise<Filer> {
  const { parts, lease, signal, filerLog } = context;
  const { connectTimeoutMs, callTimeoutMs } = parts.config;
  const access = await fetchAccess(parts.nbemm, lease, job.client, signal);
  filerLog.tell('connecting', `connecting to NDMP host ${job.client}`);
  const filer = await openFiler({
    ...{ host: job.client, access, handlers: phase.handlers(), signal },
    ...{ connectTimeoutMs, callTimeoutMs, moreQuirks: parts.quirks },
  });
  const { vendor, product, revision } = filer.identity;
  const who = [vendor, product, revision].filter((word) => word !== '').join(' ') || 'no name';
  const how = `NDMP version ${filer.version}, ${filer.auth} log-in`;
  filerLog.tell('connected', `connected to ${job.client} (${who}); ${how}`);
  return filer;
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
  const butype = chooseButype({ offered: butypes, named, planned, preferred: quirks.butypes });
  if (butype === undefined) {
    const detail = `${host} does not offer backup type ${named}; it offers ${butypes.join(', ')}`;
    throw new StatusError('ndmpFailed', `${detail}: change TYPE in the policy`);
  }
  const made = backupEnv({ path, butype, image, policyEnv, quirks });
  if (made.recordsDate) await markUnsure(context, image.backupId);
  const endpoints = await moverEndpoints(request.moverAddresses);
  const where = endpoints.map((each) => `${each.host} port ${each.port}`).join(', ');
  await client.dataConnect({ type: 'tcp', endpoints }, { signal }).catch((error: unknown) => {
    const doing = `connect to this media server at ${where}`;
    throw callFailure(error, host, doing, filerLog.tail);
  });
  const options = { timeoutMs: parts.config.startTimeoutMs, signal };
  await client.startBackup({ butype, env: [...made.env] }, options).catch((error: unknown) => {
    throw callFailure(error, host, `start the backup of ${path}`, filerLog.tail);
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
  const done = { halted: true, haltedBytes: bytesProcessed, bytes: bytesProcessed, env, files };
  context.update({ ...done, phase: 'SESSION_PHASE_HALTED' }, 'durable');
  filerLog.tell('halted', `the filer is done: ${bytesProcessed} bytes, ${files} files`);
}
