// The states one can filter by, in the order in which a job goes through them.

import type { Job } from '../api.ts';
import type { Look } from '../job-words.ts';

export type OutcomeName = Job['outcome'];

export const OUTCOMES: readonly {
  readonly name: OutcomeName;
  readonly words: string;
  readonly look: Look;
  /** Shown even when there is none. */
  readonly always: boolean;
}[] = [
  { name: 'queued', words: 'Queued', look: 'queued', always: true },
  { name: 'active', words: 'Active', look: 'moving', always: true },
  { name: 'requeued', words: 'Waits to retry', look: 'requeued', always: true },
  { name: 'successful', words: 'Done', look: 'successful', always: true },
  { name: 'partial', words: 'Partly', look: 'partial', always: true },
  { name: 'failed', words: 'Failed', look: 'failed', always: true },
  { name: 'suspended', words: 'Suspended', look: 'suspended', always: false },
  { name: 'incomplete', words: 'Incomplete', look: 'incomplete', always: false },
];

export const OUTCOME_NAMES: readonly OutcomeName[] = OUTCOMES.map(({ name }) => name);
