// Work that a daemon does by itself, without drives or media servers, but that people watch as a job: the cleaning up of
// images. Here it has a job id and a row, no more. Promises that a repeat of either call changes nothing.

import type { Handlers } from '@tapestry/bus';
import {
  type BeginTaskRequest,
  codec,
  type EndTaskRequest,
  type Init,
  type JobRow,
  type Status,
} from '@tapestry/contracts';
import { isStatusName, STATUS, StatusError } from '@tapestry/status';
import type { LeaderGate } from '@tapestry/store';
import type { Transaction } from 'kysely';
import { type Database, nextJobId } from './adapters/job-store.ts';
import type { Outbox } from './adapters/outbox.ts';

export interface TaskParts {
  readonly gate: LeaderGate<Database>;
  readonly outbox: Outbox;
  readonly nowMs: () => number;
}

type TaskHandlers = Pick<Handlers<'nbjm'>, 'BeginTask' | 'EndTask'>;

/** A task that ended so long ago is not asked about any more. */
const KEEP_MS = 30 * 24 * 3_600_000;

export function taskHandlers(parts: TaskParts): TaskHandlers {
  return {
    BeginTask: async (request) => ({ jobId: await beginTask(parts, request) }),
    EndTask: async (request) => {
      await endTask(parts, request);
      return {};
    },
  };
}

async function beginTask(parts: TaskParts, request: BeginTaskRequest): Promise<bigint> {
  const { key, type, owner, storageUnit } = request;
  if (key === '' || type !== 'JOB_TYPE_IMAGE_CLEANUP') {
    throw new StatusError('invalidRequest', 'a task has a key, and is an image cleanup');
  }
  const nowMs = parts.nowMs();
  return await parts.gate.write(async (tx) => {
    await tx
      .deleteFrom('tasks')
      .where('ended_ms', '>', 0)
      .where('ended_ms', '<', nowMs - KEEP_MS)
      .execute();
    const known = await tx.selectFrom('tasks').select('id').where('key', '=', key).execute();
    if (known[0] !== undefined) return known[0].id;
    const id = await nextJobId(tx);
    const row: Init<JobRow> = {
      ...{ jobId: id, type, state: 'JOB_STATE_ACTIVE', owner, storageUnit, version: 1n },
      ...{ submittedMs: BigInt(nowMs), startedMs: BigInt(nowMs), try: 1, steps: 1 },
      ...{ operation: 'cleaning', flowStep: 8 },
    };
    const added = await tx
      .insertInto('tasks')
      .values({ id, key, row: encoded(row), ended_ms: 0 })
      .onConflict((conflict) => conflict.column('key').doNothing())
      .returning('id')
      .execute();
    if (added.length === 0) {
      const other = tx.selectFrom('tasks').select('id').where('key', '=', key);
      return (await other.executeTakeFirstOrThrow()).id;
    }
    await tell(parts, tx, row);
    return id;
  });
}

/** Error: 805. */
async function endTask(parts: TaskParts, request: EndTaskRequest): Promise<void> {
  const { jobId, status, files, bytes } = request;
  const nowMs = parts.nowMs();
  await parts.gate.write(async (tx) => {
    const found = await tx
      .selectFrom('tasks')
      .selectAll()
      .where('id', '=', jobId)
      .forUpdate()
      .executeTakeFirst();
    if (found === undefined) throw new StatusError('jobMissing', `there is no task ${jobId}`);
    if (found.ended_ms > 0) return;
    const row: Init<JobRow> = {
      ...codec('JobRow').decode(found.row),
      ...{ state: 'JOB_STATE_DONE', endedMs: BigInt(nowMs), operation: '', flowStep: 10 },
      ...{ status: status?.code ?? 0, statusText: textOf(status), files, bytes, version: 2n },
    };
    await tx
      .updateTable('tasks')
      .set({ row: encoded(row), ended_ms: nowMs })
      .where('id', '=', jobId)
      .execute();
    await tell(parts, tx, row);
  });
}

/** True when a daemon does this job by itself. */
export async function isTask(db: Pick<Transaction<Database>, 'selectFrom'>, jobId: bigint) {
  const found = await db.selectFrom('tasks').select('id').where('id', '=', jobId).execute();
  return found.length > 0;
}

async function tell({ outbox }: TaskParts, tx: Transaction<Database>, row: Init<JobRow>) {
  await outbox.effects.enqueue(tx, {
    ...{ kind: 'tellRow', key: `task/${row.jobId}/row/${row.version}` },
    ...{ lane: `task/${row.jobId}`, payload: { row } },
  });
}

function encoded(row: Init<JobRow>): Buffer {
  return Buffer.from(codec('JobRow').encode(row));
}

/** The detail says what happened; where there is none, the table's words do. */
function textOf(status: Status | null): string {
  if (status === null) return STATUS.ok.text;
  if (status.detail !== '') return status.detail;
  return isStatusName(status.name) ? STATUS[status.name].text : status.name;
}
