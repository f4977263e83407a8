// Handlers for volume pools, as vmpool manages them. Promises that there is at most one scratch pool, that the four
// predefined pools stay, and that no pool goes while a volume is in it or a policy names it.

import type { Handlers } from '@tapestry/bus';
import type { AddPoolRequest, UpdatePoolRequest } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { checkDescription, checkPool } from './core/checks.ts';
import { checkSet } from './core/record-edit.ts';
import { edit, exists, inUse, type Parts, type Tx } from './parts.ts';
import { namesPool, requireUnnamed } from './record-uses.ts';
import { requirePool } from './required-records.ts';

type PoolHandlers = Pick<Handlers<'nbemm'>, 'AddPool' | 'UpdatePool' | 'DeletePool' | 'ListPools'>;

/** None, NetBackup, DataStore, CatalogBackup. */
const PREDEFINED_LAST = 3;

export function poolHandlers(parts: Parts): PoolHandlers {
  return {
    AddPool: (request) => addPool(parts, request),
    UpdatePool: (request) => updatePool(parts, request),
    DeletePool: ({ name }) => deletePool(parts, name),
    ListPools: ({ name }) => listPools(parts, name),
  };
}

async function listPools({ store }: Parts, name: string) {
  const [pools, counts] = await Promise.all([
    store.db.selectFrom('pools').selectAll().orderBy('number').execute(),
    store.db
      .selectFrom('volumes')
      .select(['pool', (eb) => eb.fn.countAll<bigint>().as('volumes')])
      .groupBy('pool')
      .execute(),
  ]);
  return {
    pools: pools
      .filter((pool) => name === '' || pool.name === name)
      .map(({ max_partially_full, ...pool }) => ({
        ...pool,
        maxPartiallyFull: max_partially_full,
        volumes: Number(counts.find((each) => each.pool === pool.name)?.volumes ?? 0n),
      })),
  };
}

async function addPool(parts: Parts, request: AddPoolRequest) {
  const { name, description, scratch, maxPartiallyFull } = request;
  checkPool(name);
  checkDescription(description);
  await edit(parts, `pool ${name}`, async (tx) => {
    const pools = await tx.selectFrom('pools').selectAll().orderBy('number').execute();
    if (pools.some((pool) => pool.name === name)) throw exists(`volume pool ${name}`);
    if (scratch) await requireNoScratch(tx, name);
    const number = Math.max(...pools.map((pool) => pool.number)) + 1;
    const max_partially_full = maxPartiallyFull;
    await tx
      .insertInto('pools')
      .values({ number, name, description, scratch, max_partially_full })
      .execute();
  });
  return {};
}

async function requireNoScratch(tx: Tx, name: string): Promise<void> {
  const other = await tx
    .selectFrom('pools')
    .select('name')
    .where('scratch', '=', true)
    .where('name', '<>', name)
    .executeTakeFirst();
  if (other !== undefined) throw inUse(`${other.name} is the scratch pool already: there is one`);
}

async function updatePool(parts: Parts, request: UpdatePoolRequest) {
  const { name } = request;
  const sets = checkSet(request.set, ['description', 'scratch', 'maxPartiallyFull']);
  if (sets.has('description')) checkDescription(request.description);
  await edit(parts, `pool ${name}`, async (tx) => {
    const old = await requirePool(tx, name);
    if (sets.has('scratch') && request.scratch) {
      if (old.number <= PREDEFINED_LAST) {
        throw new StatusError('invalidEntry', `${name} is predefined and no scratch pool`);
      }
      await requireNoScratch(tx, name);
    }
    await tx
      .updateTable('pools')
      .set({
        ...(sets.has('description') ? { description: request.description } : {}),
        ...(sets.has('scratch') ? { scratch: request.scratch } : {}),
        ...(sets.has('maxPartiallyFull') ? { max_partially_full: request.maxPartiallyFull } : {}),
      })
      .where('name', '=', name)
      .execute();
  });
  return {};
}

async function deletePool(parts: Parts, name: string) {
  await requireUnnamed(parts, `volume pool ${name}`, namesPool(name));
  await edit(parts, `pool ${name}`, async (tx) => {
    const { number } = await requirePool(tx, name);
    if (number <= PREDEFINED_LAST) throw inUse(`volume pool ${name} is predefined and stays`);
    const [volume] = await tx
      .selectFrom('volumes')
      .select('media_id')
      .where((eb) => eb.or([eb('pool', '=', name), eb('previous_pool', '=', name)]))
      .limit(1)
      .execute();
    if (volume !== undefined) {
      throw inUse(`volume ${volume.media_id} is in pool ${name}, or goes back to it`);
    }
    const rule = await tx
      .selectFrom('barcode_rules')
      .select('tag')
      .where('pool', '=', name)
      .executeTakeFirst();
    if (rule !== undefined) throw inUse(`the barcode rule ${rule.tag} puts volumes into it`);
    await tx.deleteFrom('pools').where('name', '=', name).execute();
  });
  return {};
}
