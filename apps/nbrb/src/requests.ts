// Handlers for requests: into the queue and out of it. Promises that a repeat, or a request that comes after its own
// withdrawal, changes nothing.

import type { Handlers } from '@tapestry/bus';
import type { Attempt, ResourceRequest } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { answerOnce } from '@tapestry/store';
import { lockAttempt } from './adapters/ledger.ts';
import type { Tx } from './adapters/queue.ts';
import { attemptKey, needsOf } from './core/need.ts';
import { startRelease } from './grants.ts';
import type { Parts } from './parts.ts';

type RequestHandlers = Pick<Handlers<'nbrb'>, 'RequestResources' | 'WithdrawRequest'>;

export function requestHandlers(parts: Parts): RequestHandlers {
  return {
    RequestResources: (request) => requestResources(parts, request),
    WithdrawRequest: ({ attempt }) => withdrawRequest(parts, attempt),
  };
}

function onceKey(attempt: Attempt): string {
  return `RequestResources/${attemptKey(attempt)}`;
}

async function requestResources(parts: Parts, request: ResourceRequest) {
  const { attempt } = request;
  if (attempt === null) throw new StatusError('invalidRequest', 'a request needs its attempt');
  checkNeeds(request);
  await parts.gate.write(async (tx) => {
    await refuseOldTry(tx, attempt);
    await answerOnce(tx, onceKey(attempt), async () => {
      await parts.queue.insert(tx, attempt, request);
      return {};
    });
  });
  parts.wake();
  return {};
}

/** Few jobs need more than a drive to read and one to write. */
const NEEDS_MAX = 4;

function checkNeeds(request: ResourceRequest): void {
  const needs = needsOf(request);
  if (needs.length > NEEDS_MAX) {
    throw new StatusError('invalidRequest', `a request has at most ${NEEDS_MAX} needs`);
  }
  for (const { request: need } of needs) {
    if (need.mode === 'DRIVE_MODE_UNSPECIFIED') {
      throw new StatusError('invalidRequest', 'a request reads or writes');
    }
    if (need.mode === 'DRIVE_MODE_READ' && need.mediaId === '') {
      throw new StatusError('invalidRequest', 'a request to read names its volume');
    }
  }
  const volumes = needs.map((need) => need.request.mediaId).filter((mediaId) => mediaId !== '');
  if (new Set(volumes).size < volumes.length) {
    throw new StatusError('invalidRequest', 'a request cannot have one volume in two drives');
  }
}

async function refuseOldTry(tx: Tx, { jobId, try: attempt }: Attempt): Promise<void> {
  const [queued, granted] = await Promise.all(
    (['requests', 'grants'] as const).map((table) =>
      tx
        .selectFrom(table)
        .select('try')
        .where('job_id', '=', jobId)
        .where('try', '>', attempt)
        .executeTakeFirst(),
    ),
  );
  const newer = queued ?? granted;
  if (newer !== undefined) {
    throw new StatusError('staleGrant', `job ${jobId} is at try ${newer.try} already`);
  }
}

async function withdrawRequest(parts: Parts, attempt: Attempt | null) {
  if (attempt === null) throw new StatusError('invalidRequest', 'a withdrawal needs its attempt');
  await parts.gate.write(async (tx) => {
    // The request itself may still be on its way: it must find that it was answered.
    await answerOnce(tx, onceKey(attempt), async () => ({}));
    await parts.queue.delete(tx, attempt);
    await parts.effects.supersede(tx, `attempt/${attemptKey(attempt)}/waiting/`);
    const [row] = await lockAttempt(tx, attempt);
    if (row !== undefined) await startRelease(parts, tx, row.grant_id);
  });
  parts.wake();
  return {};
}
