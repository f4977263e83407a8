// What the simulation of nbrb is made of: its hosts and volumes, and what each party keeps.

import type { Pick } from './books.ts';
import type { GrantState } from './life.ts';
import type { Waiting } from './need.ts';

export const HOSTS: Readonly<Record<string, readonly string[]>> = {
  m1: ['d0', 'd1', 'd2'],
  m2: ['d3', 'd4'],
};
export const VOLUMES = ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H'];
/** The last of them need to be assigned when somebody takes them to write. */
export const SCRATCH_FROM = 5;
export const T1_MS = 300;
export const T2_MS = 600;
export const RELEASE_WAIT_MS = 120;
export const AGE_MS = 2_000;

export interface Row {
  readonly grantId: string;
  readonly group: string;
  readonly key: string;
  readonly waiting: Waiting;
  readonly pick: Pick;
  readonly host: string;
  readonly drive: string;
  readonly epoch: bigint;
  readonly mpxMax: number;
  mediaId: string;
  /** Volumes that it had before this one. */
  number: number;
  state: GrantState;
  needsAssign: boolean;
  renewedMs: number;
  releaseMs: number;
}

export interface Held {
  readonly kind: 'drive' | 'volume';
  readonly group: string;
  reason: string;
  number: number;
  pending: boolean;
  taken: boolean;
}

export interface Mount {
  readonly drive: string;
  mediaId: string;
  readonly group: string;
  /** Grants of writers that live, with when each was renewed last. */
  readonly writers: Map<string, number>;
}
