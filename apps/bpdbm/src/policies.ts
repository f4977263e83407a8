// Handlers for policies. Promises that a change names the generation it was made from, and that one active policy
// owns the dump dates of a client's path.

import type { Handlers } from '@tapestry/bus';
import { codec, type Policy } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Kysely } from 'kysely';
import type { Tx } from './adapters/image-rows.ts';
import type { ImageDb } from './adapters/schema.ts';
import { checkPolicy, checkPolicyName, emptyPolicy, pathKey, pathsOf } from './core/policy.ts';
import type { Parts } from './parts.ts';

type PolicyHandlers = Pick<
  Handlers<'bpdbm'>,
  'CreatePolicy' | 'UpdatePolicy' | 'DeletePolicy' | 'GetPolicy' | 'ListPolicies'
>;

export function policyHandlers(parts: Parts): PolicyHandlers {
  const { store } = parts;
  return {
    CreatePolicy: ({ name, sameAs }) => createPolicy(parts, name, sameAs),
    UpdatePolicy: ({ policy }) => updatePolicy(parts, policy),
    DeletePolicy: ({ name }) => deletePolicy(parts, name),
    GetPolicy: async ({ name }) => ({ policy: await readPolicy(store.db, name) }),
    ListPolicies: async ({ inactiveToo }) => {
      let query = store.db.selectFrom('policies').select('policy').orderBy('name');
      if (!inactiveToo) query = query.where('active', '=', true);
      const rows = await query.execute();
      return { policies: rows.map((row) => codec('Policy').decode(row.policy)) };
    },
  };
}

async function readPolicy(db: Kysely<ImageDb>, name: string): Promise<Policy> {
  const row = await db
    .selectFrom('policies')
    .select('policy')
    .where('name', '=', name)
    .executeTakeFirst();
  if (row === undefined) {
    throw new StatusError('policyMissing', `the policy ${name} does not exist`, { policy: name });
  }
  return codec('Policy').decode(row.policy);
}

async function createPolicy(parts: Parts, name: string, sameAs: string) {
  checkPolicyName(name);
  return await parts.store.transaction(async (tx) => {
    const model = sameAs === '' ? emptyPolicy(name) : await readPolicy(tx, sameAs);
    // A copy names the same clients and paths: it sleeps until one of the two lets go of them.
    const active = sameAs === '' || model.clients.length === 0 || model.includes.length === 0;
    const policy: Policy = {
      ...{ ...model, name, active: active && model.active },
      ...{ generation: 1n, effectiveMs: BigInt(parts.nowMs()) },
    };
    const added = await tx
      .insertInto('policies')
      .values({ name, ...columns(policy) })
      .onConflict((conflict) => conflict.doNothing())
      .returning('name')
      .execute();
    if (added.length === 0) throw new StatusError('alreadyExists', `policy ${name} exists already`);
    await tell(parts, tx, policy, false);
    return { policy };
  });
}

function columns(policy: Policy) {
  const { generation, active } = policy;
  return { generation, active, policy: Buffer.from(codec('Policy').encode(policy)) };
}

async function updatePolicy(parts: Parts, request: Policy | null) {
  if (request === null) throw new StatusError('invalidRequest', 'no policy is given');
  checkPolicy(request);
  // As dump dates and images name them, so that everybody means the same path.
  const includes = request.includes.map((line) =>
    line.trim().startsWith('/') ? pathKey(line) : line,
  );
  const { name } = request;
  return await parts.store.transaction(async (tx) => {
    const row = await tx
      .selectFrom('policies')
      .select('generation')
      .where('name', '=', name)
      .forUpdate()
      .executeTakeFirst();
    if (row === undefined) {
      throw new StatusError('policyMissing', `the policy ${name} does not exist`, { policy: name });
    }
    if (row.generation !== request.generation) {
      const why = `policy ${name} was changed meanwhile: read it again (generation ${row.generation})`;
      throw new StatusError('conflict', why, { generation: String(row.generation) });
    }
    const generation = row.generation + 1n;
    const policy = { ...request, includes, generation, effectiveMs: BigInt(parts.nowMs()) };
    await takePaths(tx, policy);
    await tx.updateTable('policies').set(columns(policy)).where('name', '=', name).execute();
    await tell(parts, tx, policy, false);
    return { policy };
  });
}

/** Two policies on one path would each move the filer's dump dates under the other's incrementals. */
async function takePaths(tx: Tx, policy: Policy): Promise<void> {
  await tx.deleteFrom('path_owners').where('policy', '=', policy.name).execute();
  if (!policy.active) return;
  const paths = pathsOf(policy.includes);
  const wanted = policy.clients.flatMap((client) =>
    paths.map((path) => ({ client, path, policy: policy.name })),
  );
  for (let at = 0; at < wanted.length; at += 1_000) {
    const batch = wanted.slice(at, at + 1_000);
    const taken = await tx
      .insertInto('path_owners')
      .values(batch)
      .onConflict((conflict) => conflict.doNothing())
      .returning(['client', 'path'])
      .execute();
    if (taken.length < batch.length) await refuseTaken(tx, policy, batch);
  }
}

async function refuseTaken(
  tx: Tx,
  policy: Policy,
  wanted: readonly { client: string; path: string }[],
): Promise<never> {
  const {
    client,
    path,
    policy: owner,
  } = await tx
    .selectFrom('path_owners')
    .selectAll()
    .where('policy', '<>', policy.name)
    .where((eb) =>
      eb.or(
        wanted.map((each) => eb.and([eb('client', '=', each.client), eb('path', '=', each.path)])),
      ),
    )
    .executeTakeFirstOrThrow();
  const why = `policy ${owner} backs up ${path} of ${client} already: one policy owns a path's dump dates`;
  throw new StatusError('conflict', why, { client, path, policy: owner });
}

async function deletePolicy(parts: Parts, name: string) {
  await parts.store.transaction(async (tx) => {
    const policy = await readPolicy(tx, name);
    await tx.deleteFrom('policies').where('name', '=', name).execute();
    await tell(parts, tx, { ...policy, generation: policy.generation + 1n }, true);
  });
  return {};
}

async function tell(parts: Parts, tx: Tx, policy: Policy, deleted: boolean): Promise<void> {
  const { name, generation } = policy;
  await parts.effects.enqueue(tx, {
    kind: 'policyChanged',
    // The time keeps a policy that was deleted and made again apart from its former self.
    key: `policy/${name}/${generation}/${deleted}/${parts.nowMs()}`,
    lane: `policy/${name}`,
    payload: { policy: name, generation, deleted },
  });
}
