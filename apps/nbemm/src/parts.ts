// What the handlers of nbemm are made with: the store, the lease, the neighbours and the clock. Promises that a change
// and its line in the list of changes are one transaction, and that the lines are numbered in order of commit.

import type { Client } from '@tapestry/bus';
import { StatusError } from '@tapestry/status';
import type { LeaderGate, Store, StoreLog } from '@tapestry/store';
import { sql, type Transaction } from 'kysely';
import type { InventoryBook } from './adapters/inventory-book.ts';
import type { EmmDb } from './adapters/schema.ts';
import type { SecretBox } from './adapters/secret-box.ts';
import type { FullDisks } from './full-disks.ts';

export interface Parts {
  readonly store: Store<EmmDb>;
  readonly gate: LeaderGate<EmmDb>;
  readonly box: SecretBox;
  readonly inventory: InventoryBook;
  readonly nbrb: Pick<Client<'nbrb'>, 'CheckGrant' | 'Dump'>;
  readonly bpdbm: Pick<Client<'bpdbm'>, 'ListPolicies'>;
  readonly fullDisks: FullDisks;
  readonly ltid: (
    host: string,
  ) => Pick<Client<'ltid'>, 'ReadElements' | 'ImportVolumes' | 'EjectVolumes'>;
  readonly ndmpagent: (host: string) => Pick<Client<'ndmpagent'>, 'Probe'>;
  readonly log: StoreLog;
  readonly nowMs: () => number;
  /** Name of the primary server, as people read it. */
  readonly primaryName: string;
  /** Tells nbrb and whoever watches. Never fails. */
  readonly changed: (what: string, sequence: bigint) => void;
}

export type Tx = Transaction<EmmDb>;

/** Who watches and missed more than these reads everything again. */
const CHANGES_KEEP = 10_000n;
const PURGE_EVERY = 100n;

/** Runs a change under the lease, notes it in the same transaction, and tells of it. */
export async function change<T>(
  parts: Parts,
  what: string,
  fn: (tx: Tx) => Promise<T>,
): Promise<T> {
  const { result, sequence } = await parts.gate.write(async (tx) => {
    const result = await fn(tx);
    return { result, sequence: await noteChange(tx, what, parts.nowMs()) };
  });
  parts.changed(what, sequence);
  return result;
}

/**
 * A change that an administrator asks for. One after the other, so that a name, number or place that one of them found
 * free is not taken by the next at the same time.
 */
export async function edit<T>(parts: Parts, what: string, fn: (tx: Tx) => Promise<T>): Promise<T> {
  return await change(parts, what, async (tx) => {
    await sql`select pg_advisory_xact_lock(hashtext('nbemm.edits'))`.execute(tx);
    return await fn(tx);
  });
}

/** Last in its transaction: from here to the commit others wait, so that a reader never meets a gap that fills later. */
async function noteChange(tx: Tx, what: string, atMs: number): Promise<bigint> {
  await sql`select pg_advisory_xact_lock(hashtext('nbemm.changes'))`.execute(tx);
  const { sequence } = await tx
    .insertInto('changes')
    .values({ at_ms: atMs, what })
    .returning('sequence')
    .executeTakeFirstOrThrow();
  if (sequence % PURGE_EVERY === 0n) {
    await tx
      .deleteFrom('changes')
      .where('sequence', '<=', sequence - CHANGES_KEEP)
      .execute();
  }
  return sequence;
}

export function missing(what: string): StatusError {
  return new StatusError('notFound', `${what} is not in the EMM database`);
}

export function exists(what: string): StatusError {
  return new StatusError('alreadyExists', `${what} exists already`);
}

/** Something else still depends on it. */
export function inUse(why: string): StatusError {
  return new StatusError('conflict', why);
}

export function required(what: string): StatusError {
  return new StatusError('requiredValueNotSet', `${what} is not given`);
}
