// Effects of the core as rows of the store's outbox: each gets the key that makes a repeat harmless, and the lane
// whose order it keeps. Commands of one job run one after the other; giving back and telling never wait for them.

import type { Attempt, GrantRef, ImageResult, Init, JobRow, Status } from '@tapestry/contracts';
import { afterCommit, Effects } from '@tapestry/store';
import type { Transaction } from 'kysely';
import type { Effect, Wake } from '../core/effects.ts';
import { jobRow } from '../core/row.ts';
import type { Job } from '../core/state.ts';
import type { Database } from './job-store.ts';

export interface Kinds {
  requestResources: { attempt: Attempt };
  withdrawRequest: { attempt: Attempt };
  openImage: { attempt: Attempt; grantId: string };
  startRun: { attempt: Attempt; grantId: string };
  cancelRun: { grant: GrantRef; mediaServer: string; reason: Status; fence: boolean };
  releaseGrant: { grant: GrantRef };
  validateImage: { attempt: Attempt; result: ImageResult };
  abandonImage: { attempt: Attempt; backupId: string };
  tellTryEnded: { attempt: Attempt; status: Status; endedMs: number; wanted: boolean };
  wake: { attempt: Attempt; why: Wake };
  tellRow: { row: Init<JobRow> };
}

export type Line = Omit<Extract<Effect, { do: 'tellDetail' }>, 'do'>;

interface Place {
  readonly key: string;
  readonly lane?: string;
  readonly dueMs?: number;
}

export class Outbox {
  readonly effects = new Effects<Kinds>();
  readonly #tellLine: (line: Line) => void;
  readonly #tellChange: (jobId: bigint) => void;

  constructor(tell: { line(line: Line): void; change(jobId: bigint): void }) {
    this.#tellLine = (line) => tell.line(line);
    this.#tellChange = (jobId) => tell.change(jobId);
  }

  /** Saves the effects with the transaction, in order. Lines are told after the commit, best effort. */
  async save(tx: Transaction<Database>, effects: readonly Effect[]): Promise<void> {
    for (const effect of effects) await this.#saveOne(tx, effect);
  }

  /** Tells the job's newest row after the commit. */
  async saveChanged(tx: Transaction<Database>, job: Job): Promise<void> {
    afterCommit(tx, () => this.#tellChange(job.id));
    if (job.phase.name !== 'resting') return;
    // How a try ended is told as it was: the next try's row knows nothing of it.
    await this.effects.enqueue(tx, {
      kind: 'tellRow',
      key: `job/${job.id}/row/${job.version}`,
      payload: { row: jobRow(job) },
    });
  }

  async #saveOne(tx: Transaction<Database>, effect: Effect): Promise<void> {
    switch (effect.do) {
      case 'tellDetail': {
        const { do: _do, ...line } = effect;
        afterCommit(tx, () => this.#tellLine(line));
        return;
      }
      case 'giveUpRun':
        await this.effects.supersede(tx, `${prefix(effect.attempt)}/run/`);
        return;
      case 'withdrawRequest':
        await this.effects.supersede(tx, `${prefix(effect.attempt)}/request/`);
        break;
      default:
        break;
    }
    const { do: kind, ...payload } = effect;
    await this.effects.enqueue(tx, { kind, payload: payload as never, ...placeOf(effect) });
  }
}

function prefix({ jobId, try: tryNumber, step }: Attempt): string {
  return `job/${jobId}/${tryNumber}.${step}`;
}

type Saved = Exclude<Effect, { do: 'tellDetail' | 'giveUpRun' }>;

function placeOf(effect: Saved): Place {
  switch (effect.do) {
    case 'releaseGrant':
      return { key: `release/${effect.grant.grantId}` };
    case 'cancelRun': {
      const { grant, fence } = effect;
      if (fence || grant.attempt === null) return { key: `fence/${grant.grantId}` };
      return { key: `${prefix(grant.attempt)}/run/cancel`, lane: `job/${grant.attempt.jobId}` };
    }
    default:
      return placeOfAttempt(effect);
  }
}

function placeOfAttempt(effect: Exclude<Saved, { do: 'releaseGrant' | 'cancelRun' }>): Place {
  const begin = prefix(effect.attempt);
  const lane = `job/${effect.attempt.jobId}`;
  switch (effect.do) {
    case 'requestResources':
      return { key: `${begin}/request/send`, lane };
    case 'withdrawRequest':
      return { key: `${begin}/withdraw`, lane };
    case 'openImage':
      return { key: `${begin}/run/open/${effect.grantId}`, lane };
    case 'startRun':
      return { key: `${begin}/run/start/${effect.grantId}`, lane };
    case 'validateImage':
      return { key: `${begin}/validate`, lane: `${lane}/image` };
    case 'abandonImage':
      return { key: `${begin}/abandon`, lane: `${lane}/image` };
    case 'tellTryEnded':
      return { key: `${begin}/${effect.wanted ? 'ask' : 'tell'}-nbpem`, lane: `${lane}/verdict` };
    case 'wake':
      // A retry is due after the run is over, when everything else about it was given up.
      return {
        key: `${begin}/${effect.why === 'retry' ? '' : 'run/'}wake/${effect.why}`,
        dueMs: effect.atMs,
      };
  }
}
