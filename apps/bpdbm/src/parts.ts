// What bpdbm's handlers are made with, and the effects that its changes have outside.

import type { Client } from '@tapestry/bus';
import type { FileListReader } from '@tapestry/catalog';
import type { ImageValidated, PolicyChanged } from '@tapestry/contracts';
import type { Effects, Store, StoreLog } from '@tapestry/store';
import type { FileStore } from './adapters/file-store.ts';
import type { ImageDb } from './adapters/schema.ts';

export interface DbmEffects {
  policyChanged: PolicyChanged;
  imageValidated: ImageValidated;
}

export interface Parts {
  readonly store: Store<ImageDb>;
  readonly effects: Effects<DbmEffects>;
  readonly files: FileStore;
  readonly lists: FileListReader;
  readonly nbjm: Pick<Client<'nbjm'>, 'CheckAttempts'>;
  readonly log: StoreLog;
  readonly nowMs: () => number;
  /** Where file lists are PUT: without a slash at the end. */
  readonly uploadUrl: () => string;
  readonly fileListBytesMax: number;
}

export function nowS(parts: Parts): bigint {
  return BigInt(Math.floor(parts.nowMs() / 1_000));
}
