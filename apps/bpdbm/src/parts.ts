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
  /** Tells nbemm what of a volume is valid now. */
  mediaContents: { mediaId: string };
}

export interface JobLine {
  readonly jobId: bigint;
  readonly key: string;
  readonly text: string;
  readonly severity?: 'info' | 'warning';
}

export interface Parts {
  readonly store: Store<ImageDb>;
  readonly effects: Effects<DbmEffects>;
  readonly files: FileStore;
  readonly lists: FileListReader;
  readonly nbjm: Pick<Client<'nbjm'>, 'CheckAttempts' | 'BeginTask' | 'EndTask' | 'ListImagesRead'>;
  readonly nbrb: Pick<Client<'nbrb'>, 'ReturnVolume'>;
  readonly nbemm: Pick<
    Client<'nbemm'>,
    'ListVolumes' | 'ListVolumeImages' | 'ListStorageUnits' | 'RecordContents'
  >;
  readonly bptm: (host: string) => Pick<Client<'bptm'>, 'DeleteDiskImages' | 'ListDiskImages'>;
  /** A line for the details of a job of ours; told best effort. */
  readonly tellLine: (line: JobLine) => void;
  /** A cleanup waits: looked at at once when it is this instance that leads. */
  readonly wake: () => void;
  readonly log: StoreLog;
  readonly nowMs: () => number;
  /** Where file lists are PUT: without a slash at the end. */
  readonly uploadUrl: () => string;
  readonly fileListBytesMax: number;
}

export function nowS(parts: Parts): bigint {
  return BigInt(Math.floor(parts.nowMs() / 1_000));
}
