// What the handlers of nbemm are made with: the store, the lease, the neighbours and the clock.

import type { Client } from '@tapestry/bus';
import { StatusError } from '@tapestry/status';
import type { LeaderGate, Store, StoreLog } from '@tapestry/store';
import type { Transaction } from 'kysely';
import type { EmmDb } from './adapters/schema.ts';
import type { SecretBox } from './adapters/secret-box.ts';

export interface Parts {
  readonly store: Store<EmmDb>;
  readonly gate: LeaderGate<EmmDb>;
  readonly box: SecretBox;
  readonly nbrb: Pick<Client<'nbrb'>, 'CheckGrant'>;
  readonly ltid: (host: string) => Pick<Client<'ltid'>, 'ReadElements'>;
  readonly log: StoreLog;
  readonly nowMs: () => number;
  readonly blockSizeBytes: number;
  /** Lets nbrb look again at what waits. Never fails. */
  readonly changed: (what: string) => void;
}

export type Tx = Transaction<EmmDb>;

/** Runs a change under the lease and tells of it. */
export async function change<T>(
  parts: Parts,
  what: string,
  fn: (tx: Tx) => Promise<T>,
): Promise<T> {
  const result = await parts.gate.write(fn);
  parts.changed(what);
  return result;
}

export function missing(what: string): StatusError {
  return new StatusError('notFound', `${what} is not in the EMM database`);
}

export function exists(what: string): StatusError {
  return new StatusError('alreadyExists', `${what} exists already`);
}
