// What nbrb's handlers and loops are made with, and the effects that its changes have outside.

import type { Client } from '@tapestry/bus';
import type { Attempt, Grant, GrantRef, Status } from '@tapestry/contracts';
import type { Effects, LeaderGate, Store, StoreLog } from '@tapestry/store';
import type { StoredQueue } from './adapters/queue.ts';
import type { RbDb } from './adapters/schema.ts';

/** Each is told until it is answered; keys and lanes keep repeats harmless and one attempt's news in order. */
export interface RbEffects {
  granted: { grant: Grant };
  waiting: { attempt: Attempt; reason: string };
  refused: { attempt: Attempt; status: Status };
  lost: { grant: GrantRef; reason: string };
  assign: {
    grantId: string;
    mediaId: string;
    volumeVersion: bigint;
    pool: string;
    retentionLevel: number;
    mediaServer: string;
  };
  /** As `assign`, for a volume on which the image of a group goes on. */
  assignNext: RbEffects['assign'] & { number: number };
  unassign: { grantId: string; mediaId: string };
  /** Its own key goes with it: somebody may be waiting for its end. */
  returnVolume: { key: string; mediaId: string; volumeVersion: bigint };
  /** Asks the drive's host whether it is idle, and frees it then. */
  release: { grantId: string };
}

export interface Neighbours {
  readonly nbjm: Pick<
    Client<'nbjm'>,
    'ResourcesGranted' | 'ResourcesWaiting' | 'ResourcesRefused' | 'GrantLost' | 'CheckAttempts'
  >;
  readonly nbemm: Pick<
    Client<'nbemm'>,
    'Evaluate' | 'AssignVolume' | 'UnassignVolume' | 'DeassignVolume'
  >;
  readonly ltid: (host: string) => Pick<Client<'ltid'>, 'ListMounts'>;
}

export interface Limits {
  /** A grant whose writer was not heard of for so long is lost. */
  readonly leaseT2Ms: number;
  /** How long a drive may take to be confirmed idle before it is called unknown. */
  readonly releaseWaitMs: number;
  /** How often to look at everything although nothing was heard. */
  readonly pollMs: number;
  /** Whoever has waited for longer goes before everybody who asked later, whatever their priorities. */
  readonly ageMs: number;
}

export interface Parts {
  readonly store: Store<RbDb>;
  readonly gate: LeaderGate<RbDb>;
  readonly queue: StoredQueue;
  readonly effects: Effects<RbEffects>;
  readonly neighbours: Neighbours;
  readonly limits: Limits;
  readonly log: StoreLog;
  readonly nowMs: () => number;
  /** A warning line for a job's details; told best effort. */
  readonly warn: (attempt: Attempt, key: string, text: string) => void;
  /** How long the planning of a round took. */
  readonly measured: (seconds: number) => void;
  /** Something changed that may let a request go. */
  readonly wake: () => void;
}
