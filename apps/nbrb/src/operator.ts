// What an operator may do by hand (nbrbutil): stop giving out, change a priority, take grants away, close groups of
// streams, and compare the books with those who know better. Promises that nothing is freed on a guess here either.

import type { Handlers } from '@tapestry/bus';
import type { TakeBackRequest } from '@tapestry/contracts';
import { asStatusError, StatusError } from '@tapestry/status';
import { attemptOf, type GrantRow, lockAttempt, refOf, requestOf } from './adapters/ledger.ts';
import { writeSetting } from './adapters/settings.ts';
import { isLive } from './core/life.ts';
import { attemptKey } from './core/need.ts';
import { askDoubtfulHosts } from './drives.ts';
import { sightOf, startRelease } from './grants.ts';
import type { Parts } from './parts.ts';
import { overOf, releaseWhatIsOver } from './reconcile.ts';
import { RETURNING } from './volume-return.ts';

type OperatorHandlers = Pick<
  Handlers<'nbrb'>,
  'SetSuspended' | 'ChangePriority' | 'TakeBack' | 'CloseGroup' | 'CheckAllocations'
>;

export function operatorHandlers(parts: Parts): OperatorHandlers {
  return {
    SetSuspended: async ({ suspended, requester }) => {
      const since = new Date(parts.nowMs()).toISOString();
      const value = suspended ? `suspended by ${requester} since ${since}` : undefined;
      await parts.gate.write((tx) => writeSetting(tx, 'suspended', value));
      parts.log.warn({ requester, suspended }, 'an operator suspended or resumed the giving out');
      parts.wake();
      return {};
    },
    ChangePriority: async ({ jobId, priority, requester }) => {
      if (priority > PRIORITY_MAX) {
        throw new StatusError('invalidParameter', `a priority is at most ${PRIORITY_MAX}`);
      }
      const found = await parts.gate.write((tx) => parts.queue.setPriority(tx, jobId, priority));
      if (found === 0) throw new StatusError('notFound', `no request of job ${jobId} waits`);
      parts.log.info({ jobId: String(jobId), priority, requester }, 'a priority was changed');
      parts.wake();
      return {};
    },
    TakeBack: (request) => takeBack(parts, request),
    CloseGroup: async ({ kind, name }) => {
      const column = kind === 'drive' ? 'drive' : 'media_id';
      const closed = await parts.gate.write((tx) =>
        tx
          .updateTable('grants')
          .set({ joinable: false })
          .where(column, '=', name)
          .where('mpx_max', '>', 1)
          .returning('grant_id')
          .execute(),
      );
      if (closed.length > 0) return {};
      throw new StatusError('notFound', `no streams share ${kind} ${name}`);
    },
    CheckAllocations: async ({ repair }) => {
      const differences = await compare(parts);
      if (repair) {
        await releaseWhatIsOver(parts);
        await askDoubtfulHosts(parts);
        parts.wake();
      }
      return { differences };
    },
  };
}

const PRIORITY_MAX = 99_999;

/** The jobs hear that their grants are lost, and end; their drives are free once the hosts say so. */
async function takeBack(parts: Parts, { kind, name, requester }: TakeBackRequest) {
  const rows = await parts.store.db.selectFrom('grants').selectAll().orderBy('epoch').execute();
  const chosen = rows
    .filter((row) => isLive({ grantId: row.grant_id, state: row.state }))
    .filter(named(kind, name));
  if (chosen.length === 0 && kind !== 'all') {
    throw new StatusError('notFound', `nothing is given that has the ${kind} ${name}`);
  }
  for (const row of chosen) {
    await parts.gate.write(async (tx) => {
      const [first] = await lockAttempt(tx, attemptOf(row));
      if (first === undefined) return;
      const told = first.state === 'active';
      if (told) {
        await parts.effects.enqueue(tx, {
          ...{ kind: 'lost', key: `grant/${first.grant_id}/lost` },
          lane: `attempt/${attemptKey(attemptOf(first))}`,
          payload: { grant: refOf(first), reason: `taken back by ${requester}` },
        });
      }
      await startRelease(parts, tx, first.grant_id);
      // Who was not told yet simply waits again, in turn.
      if (!told) await parts.queue.insert(tx, attemptOf(first), requestOf(first));
    });
    parts.log.warn({ grantId: row.grant_id, requester }, 'an operator took a grant back');
  }
  parts.wake();
  return { grants: chosen.length };
}

function named(kind: string, name: string): (row: GrantRow) => boolean {
  switch (kind) {
    case 'grant':
      return (row) => row.grant_id === name;
    case 'drive':
      return (row) => row.drive === name;
    case 'volume':
      return (row) => row.media_id === name;
    case 'host':
      return (row) => row.media_server === name;
    case 'all':
      return () => true;
    default:
      throw new StatusError(
        'invalidParameter',
        `'${kind}' is not grant, drive, volume, host or all`,
      );
  }
}

/** Where the books, nbjm and the media servers say different things. */
async function compare(parts: Parts): Promise<string[]> {
  const { db } = parts.store;
  const [grants, holdings] = await Promise.all([
    db.selectFrom('grants').selectAll().orderBy('epoch').execute(),
    db.selectFrom('holdings').selectAll().orderBy('kind').orderBy('name').execute(),
  ]);
  const differences: string[] = [];
  const over = await overOf(parts, grants.map(attemptOf));
  for (const row of grants) {
    if (over.has(attemptKey(attemptOf(row))) && row.state === 'active') {
      differences.push(
        `job ${row.job_id} is over and has grant ${row.grant_id} (drive ${row.drive})`,
      );
    }
  }
  for (const { kind, name, reason } of holdings) {
    if (reason !== '' && reason !== RETURNING)
      differences.push(`${kind} ${name} is unknown: ${reason}`);
  }
  for (const host of new Set(grants.map((row) => row.media_server))) {
    differences.push(...(await compareHost(parts, host, grants)));
  }
  return differences;
}

async function compareHost(
  parts: Parts,
  host: string,
  grants: readonly GrantRow[],
): Promise<string[]> {
  try {
    const { mounts } = await parts.neighbours.ltid(host).ListMounts({});
    return mounts.map(sightOf).flatMap(({ drive, holder }) => {
      const own = grants.filter((row) => row.drive === drive);
      if (holder === '' || own.some((row) => row.grant_id === holder)) return [];
      const ours = own.length === 0 ? 'nobody' : own.map((row) => row.grant_id).join(', ');
      return [`${host} has drive ${drive} under grant ${holder}, the books under ${ours}`];
    });
  } catch (error) {
    return [`${host} does not tell of its drives: ${asStatusError(error).detail}`];
  }
}
