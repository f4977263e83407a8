// What bprd answers: checks the request, looks up whose it is, and passes it on. It keeps nothing: a request that
// comes again goes the same way and finds the same jobs.

import type { Bus, Call, Handlers } from '@tapestry/bus';
import {
  codec,
  type Init,
  type Policy,
  type SubmitBackupReply,
  type SubmitBackupRequest,
  type SubmitLabelReply,
  type SubmitLabelRequest,
  type SubmitRestoreReply,
  type SubmitRestoreRequest,
} from '@tapestry/contracts';
import type { Logger } from '@tapestry/runtime';
import { StatusError } from '@tapestry/status';
import { askRule } from './adapters/admission-module.ts';
import type { AdmissionRule, Asking } from './core/admission.ts';
import { labelJob, validateLabel } from './core/label-job.ts';
import { restoreJob } from './core/restore-job.ts';
import { validateAgainstPolicy, validateBackup, validateRestore } from './core/validate.ts';

export interface ServiceParts {
  readonly bus: Bus;
  readonly rule: AdmissionRule;
  readonly restorePriority: number;
  readonly nowMs: () => number;
  readonly log: Logger;
}

/** What is left for the way back of an answer. */
const ANSWER_MS = 500;
/** A job must fit a message of the bus, also inside a start. */
const JOB_BYTES_MAX = 6_000_000;

export function bprdHandlers(parts: ServiceParts): Handlers<'bprd'> {
  return {
    SubmitBackup: async (request, call) => await submitBackup(parts, request, call),
    SubmitRestore: async (request, call) => await submitRestore(parts, request, call),
    SubmitLabel: async (request, call) => await submitLabel(parts, request, call),
  };
}

async function submitBackup(
  parts: ServiceParts,
  request: SubmitBackupRequest,
  call: Call,
): Promise<Init<SubmitBackupReply>> {
  const { policy, schedule, client, keyword, requestId, requester } = request;
  const who = { policy, client, destClient: '', paths: [], mediaId: '' };
  const asking = { kind: 'backup', ...askingOf(parts, requester, call), ...who } as const;
  validateBackup(request, await askRule(parts.rule, asking));
  validateAgainstPolicy(request, await readPolicy(parts.bus, policy));
  const run = { requestId, policy, schedule, client, keyword, owner: requester?.user ?? '' };
  const { jobIds } = await parts.bus.client('nbpem').RunImmediate(run, limits(parts, call));
  parts.log.info({ policy, jobs: jobIds.map(String) }, 'a run was submitted');
  return { jobIds };
}

async function submitRestore(
  parts: ServiceParts,
  request: SubmitRestoreRequest,
  call: Call,
): Promise<Init<SubmitRestoreReply>> {
  const { requestId, client, policy, paths, startS, endS, backupId } = request;
  const destClient = request.destClient || client;
  const pathTexts = paths.map((path) => Buffer.from(path).toString());
  const who = { policy, client, destClient, paths: pathTexts, mediaId: '' };
  const asking = { kind: 'restore', ...askingOf(parts, request.requester, call), ...who } as const;
  validateRestore(request, await askRule(parts.rule, asking));
  const limit = limits(parts, call);
  await checkDestination(parts.bus, destClient);
  const selection = { client, paths, startS, endS, policy, backupId };
  const plan = await parts.bus.client('bpdbm').PlanRestore(selection, limit);
  const job = restoreJob(request, plan, parts.restorePriority);
  if (codec('JobSpec').encode(job).length > JOB_BYTES_MAX) {
    const detail = 'too many single files for one restore: restore their folders, or in parts';
    throw new StatusError('cannotProcess', detail);
  }
  const submitted = await parts.bus
    .client('nbjm')
    .SubmitJob({ key: `restore/${requestId}`, job }, limit);
  const backupIds = job.restore?.steps?.map((step) => step.backupId ?? '') ?? [];
  parts.log.info({ client, destClient, job: String(submitted.jobId) }, 'a restore was submitted');
  return { jobId: submitted.jobId, files: plan.files, bytes: plan.bytes, backupIds };
}

async function submitLabel(
  parts: ServiceParts,
  request: SubmitLabelRequest,
  call: Call,
): Promise<Init<SubmitLabelReply>> {
  const mediaId = request.label?.mediaId.toUpperCase() ?? '';
  const who = { policy: '', client: '', destClient: '', paths: [], mediaId };
  const asking = { kind: 'label', ...askingOf(parts, request.requester, call), ...who } as const;
  validateLabel(request, await askRule(parts.rule, asking));
  const limit = limits(parts, call);
  const { volumes } = await parts.bus.client('nbemm').ListVolumes({ mediaId, limit: 1 }, limit);
  const job = labelJob(request, volumes[0]);
  const key = `label/${request.requestId}`;
  const { jobId } = await parts.bus.client('nbjm').SubmitJob({ key, job }, limit);
  parts.log.info({ mediaId, job: String(jobId) }, 'a label was submitted');
  return { jobId };
}

function askingOf(
  { nowMs }: ServiceParts,
  requester: SubmitBackupRequest['requester'],
  call: Call,
): Pick<Asking, 'caller' | 'user' | 'host' | 'atMs'> {
  const { user = '', host = '' } = requester ?? {};
  return { caller: call.callerToken, user, host, atMs: nowMs() };
}

function limits({ nowMs }: ServiceParts, call: Call) {
  const deadlineMs = Math.max(1_000, call.deadlineMs - nowMs() - ANSWER_MS);
  return { deadlineMs, signal: call.signal };
}

async function readPolicy(bus: Bus, name: string): Promise<Policy> {
  const missing = () => new StatusError('policyMissing', `there is no policy ${name}`);
  const reply = await bus
    .client('bpdbm')
    .GetPolicy({ name })
    .catch((error: unknown) => {
      throw error instanceof StatusError && error.status === 'notFound' ? missing() : error;
    });
  if (reply.policy === null) throw missing();
  return reply.policy;
}

/** Errors: 2108 for a destination that no credentials are known of. */
async function checkDestination(bus: Bus, name: string): Promise<void> {
  const { hosts } = await bus.client('nbemm').ListNdmpHosts({});
  if (hosts.some((host) => host.name === name)) return;
  throw new StatusError(
    'ndmpHostUnknown',
    `${name} is not a configured NDMP host: add it with its credentials (tpconfig)`,
  );
}
