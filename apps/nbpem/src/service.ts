// What nbpem answers: runs at once, what became of a try, and what is due.

import type { Bus, Call, Handlers } from '@tapestry/bus';
import type {
  Init,
  ListDueReply,
  ListDueRequest,
  Policy,
  RunImmediateRequest,
  TryEndedReply,
  TryEndedRequest,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { answerOnce, type LeaderGate } from '@tapestry/store';
import type { Kysely, Transaction } from 'kysely';
import {
  type Database,
  saveTry,
  setOver,
  taskMadeMs,
  tasksOfRequest,
  triesOf,
} from './adapters/task-store.ts';
import { forecast } from './core/due.ts';
import { chooseRun, jobSpec } from './core/job-spec.ts';
import { targetKey, targetsOf } from './core/plan.ts';
import { decideRetry, isSuccess, type RetryDecision, type RetrySettings } from './core/retry.ts';
import { selectionsOf } from './core/selections.ts';
import { nextWindow, type OffsetAt } from './core/windows.ts';
import type { PolicyBook } from './policy-book.ts';
import type { Submissions } from './submissions.ts';

export interface ServiceParts {
  readonly bus: Bus;
  readonly db: Kysely<Database>;
  readonly gate: LeaderGate<Database>;
  readonly book: PolicyBook;
  readonly submissions: Submissions;
  readonly nowMs: () => number;
  readonly offsetAt: OffsetAt;
  readonly retry: RetrySettings;
  readonly maxJobsPerClient: number;
  /** Called after a try ended: something may be due. */
  readonly hurry: () => void;
}

const ANSWER_MS = 500;
const DUE_TASKS_MAX = 5_000;

export function nbpemHandlers(parts: ServiceParts): Handlers<'nbpem'> {
  return {
    RunImmediate: async (request, call) => ({ jobIds: await runImmediate(parts, request, call) }),
    TryEnded: async (request) => await tryEnded(parts, request),
    ListDue: async (request) => listDue(parts, request),
  };
}

async function runImmediate(
  parts: ServiceParts,
  request: RunImmediateRequest,
  call: Call,
): Promise<bigint[]> {
  const { requestId } = request;
  if (requestId === '') throw new StatusError('invalidRequest', 'a run needs a request id');
  if ((await tasksOfRequest(parts.db, requestId)).length === 0) await accept(parts, request);
  return await parts.submissions.jobIds(requestId, call.deadlineMs - ANSWER_MS, call.signal);
}

/** Saves the tasks of a run, all or none: one for each client and path. */
async function accept(parts: ServiceParts, request: RunImmediateRequest): Promise<void> {
  const { requestId, owner, keyword } = request;
  const policy = await readPolicy(parts.bus, request.policy);
  const { schedule, clients } = chooseRun(policy, request);
  const selections = selectionsOf(policy.includes);
  if (selections.length === 0) {
    throw new StatusError('noneOfTheFilesExist', `policy ${policy.name} names no path`);
  }
  const nowMs = parts.nowMs();
  const specs = clients.flatMap((client) =>
    selections.map((selection) =>
      jobSpec({
        ...{ policy, schedule, client, selection, subtype: 0, owner, keyword },
        ...{ startBeforeMs: Number.POSITIVE_INFINITY, maxJobsPerClient: parts.maxJobsPerClient },
      }),
    ),
  );
  await parts.gate.write(async (tx) => {
    for (const [index, spec] of specs.entries()) {
      const key = `run/${requestId}/${String(index).padStart(6, '0')}`;
      await parts.submissions.save(tx, { key, requestId, spec, nowMs });
    }
  });
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

async function tryEnded(
  parts: ServiceParts,
  request: TryEndedRequest,
): Promise<Init<TryEndedReply>> {
  const { jobId } = request;
  const code = request.status?.code ?? 0;
  // Noted first: once the task is over, nothing but this keeps its target from being due again.
  if (isSuccess(code)) noteBackup(parts, request, await taskMadeMs(parts.db, jobId));
  // A cancel may follow a failure of the same try, so the code belongs to the key.
  const key = `TryEnded/${jobId}/${request.try}/${code}`;
  const { retryAtMs, reason } = await parts.gate.write((tx) =>
    answerOnce(tx, key, async () => await saveOutcome(parts, tx, request, code)),
  );
  if (retryAtMs === 0) parts.hurry();
  return { retryAtMs: BigInt(Math.trunc(retryAtMs)), reason };
}

async function saveOutcome(
  parts: ServiceParts,
  tx: Transaction<Database>,
  request: TryEndedRequest,
  code: number,
): Promise<RetryDecision> {
  const { jobId, policy, client, path } = request;
  const endedMs = Number(request.endedMs);
  const ended = { job_id: jobId, try: request.try, policy, client, path, code, ended_ms: endedMs };
  await saveTry(tx, { ...ended, final: false });
  const nowMs = parts.nowMs();
  const known = parts.book.find(policy);
  const facts = {
    ...{ code, nowMs, closeMs: closeOf(parts, request, nowMs) },
    tries: await triesOf(tx, request, nowMs - parts.retry.triesPeriodMs),
    policyActive: known?.active ?? !parts.book.isComplete,
  };
  const decision = decideRetry(facts, parts.retry);
  if (decision.retryAtMs === 0) {
    await saveTry(tx, { ...ended, final: true });
    await setOver(tx, jobId);
  }
  return decision;
}

/** A run by hand knows no window; a scheduled one may start again only while its window is open. */
function closeOf(parts: ServiceParts, request: TryEndedRequest, nowMs: number): number {
  if (request.subtype !== 1) return Number.POSITIVE_INFINITY;
  const schedules = parts.book.find(request.policy)?.schedules ?? [];
  const schedule = schedules.find((each) => each.name === request.schedule);
  if (schedule === undefined) return parts.book.isComplete ? 0 : Number.POSITIVE_INFINITY;
  const window = nextWindow(schedule.windows, nowMs, parts.offsetAt);
  return window === undefined || window.openMs > nowMs ? 0 : window.closeMs;
}

/** bpdbm's event tells the same, but may come later. */
function noteBackup(
  { book }: ServiceParts,
  request: TryEndedRequest,
  madeMs: number | undefined,
): void {
  const { policy, schedule, client, path } = request;
  const known = book.find(policy)?.schedules.find((each) => each.name === schedule);
  if (known === undefined) return;
  const backupTimeS = BigInt(Math.floor((madeMs ?? Number(request.endedMs)) / 1_000));
  book.note({ policy, schedule, client, path, scheduleType: known.type, backupTimeS });
}

function listDue(
  { book, nowMs, offsetAt }: ServiceParts,
  request: ListDueRequest,
): Init<ListDueReply> {
  const { policy, client } = request;
  const span = { fromMs: nowMs(), untilMs: Number(request.untilMs) };
  const policies = book.policies.filter((each) => policy === '' || each.name === policy);
  const tasks = targetsOf(policies)
    .filter((target) => client === '' || target.client === client)
    .flatMap((target) => {
      const key = targetKey(target.policy.name, target.client, target.path);
      return forecast(target, book.history.get(key) ?? [], span, offsetAt);
    })
    .sort((a, b) => a.startMs - b.startMs)
    .slice(0, DUE_TASKS_MAX)
    .map((run) => ({
      ...{ policy: run.policy.name, schedule: run.schedule.name, client: run.client },
      ...{ path: run.path, dueMs: BigInt(Math.trunc(run.startMs)), reason: run.reason },
    }));
  return { tasks };
}
