// Giving a volume without images back to its pool. Nobody may be granted the volume while nbemm unassigns it, so it is
// held like one that is granted, in the transaction that saves the call to nbemm. Promises that the hold ends only with
// nbemm's answer, whatever restarts in between: a call that is still under way then finds another version of the row.

import { randomUUID } from 'node:crypto';
import type { Handlers } from '@tapestry/bus';
import { StatusError } from '@tapestry/status';
import { isUniqueViolation } from '@tapestry/store';
import type { Parts, RbEffects } from './parts.ts';

/**
 * Why a volume that is being given back is not granted. Such a hold has no host to ask about it, and in the place of a
 * drive the key of its return.
 */
export const RETURNING = 'is being given back to its pool';

/** Below the deadline of the call. */
const ANSWER_MS = 12_000;

type Outcome = StatusError | undefined;

export class VolumeReturns {
  readonly #parts: Parts;
  /** Callers that wait here, by the key of the return. */
  readonly #waiting = new Map<string, (outcome: Outcome) => void>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  handlers(): Pick<Handlers<'nbrb'>, 'ReturnVolume'> {
    return {
      ReturnVolume: async ({ mediaId, volumeVersion }) => {
        const key = `volume/${mediaId}/return/${randomUUID()}`;
        const ended = this.#outcomeOf(key);
        await this.#hold(key, { mediaId, volumeVersion });
        const failure = await ended;
        if (failure !== undefined) throw failure;
        return {};
      },
    };
  }

  /** Who waits is told to ask again; the returns themselves go on at the next start. */
  stop(): void {
    const why = new StatusError('resourcesBusy', 'nbrb stops: the volume goes back when it starts');
    for (const end of [...this.#waiting.values()]) end(why);
  }

  /** The effect, after nbemm has answered or refused for good. */
  async settle(key: string, mediaId: string, failure: Outcome): Promise<void> {
    await this.#parts.gate.write((tx) =>
      tx
        .deleteFrom('holdings')
        .where('kind', '=', 'volume')
        .where('name', '=', mediaId)
        // Its own hold alone: an effect that is repeated after a crash must not end that of a later return.
        .where('drive', '=', key)
        .execute(),
    );
    this.#parts.wake();
    this.#waiting.get(key)?.(failure);
  }

  /** Errors: 97. */
  async #hold(key: string, payload: Omit<RbEffects['returnVolume'], 'key'>): Promise<void> {
    const { effects, gate, nowMs } = this.#parts;
    const { mediaId } = payload;
    const reader = this.#reader(mediaId);
    if (reader !== undefined) throw inUse(mediaId, `job ${reader} waits to read it`);
    try {
      await gate.write(async (tx) => {
        const held = await tx
          .selectFrom('holdings')
          .select(['job_id', 'reason'])
          .where('kind', '=', 'volume')
          .where('name', '=', mediaId)
          .executeTakeFirst();
        if (held !== undefined) {
          throw inUse(mediaId, held.reason === '' ? `job ${held.job_id} has it` : held.reason);
        }
        const hold = {
          ...{ group_id: '', drive: key, host: '', job_id: 0n, since_ms: nowMs() },
          ...{ number: 0, pending: false, taken: false },
        };
        await tx
          .insertInto('holdings')
          .values({ kind: 'volume', name: mediaId, reason: RETURNING, ...hold })
          .execute();
        await effects.enqueue(tx, { kind: 'returnVolume', key, payload: { key, ...payload } });
      });
    } catch (error) {
      this.#waiting.get(key)?.(undefined);
      if (isUniqueViolation(error)) throw inUse(mediaId, 'it was just granted');
      throw error;
    }
  }

  /** The job of a request that waits to read the volume. */
  #reader(mediaId: string): bigint | undefined {
    const { requests } = this.#parts.queue;
    const waiting = requests.rows.find(
      ({ request }) =>
        request.mediaId === mediaId || request.more.some((need) => need.mediaId === mediaId),
    );
    return waiting?.request.attempt?.jobId;
  }

  /** Resolves when the return is settled, or with 134 when that takes too long. */
  #outcomeOf(key: string): Promise<Outcome> {
    return new Promise((resolve) => {
      const end = (outcome: Outcome): void => {
        clearTimeout(timer);
        this.#waiting.delete(key);
        resolve(outcome);
      };
      const late = 'nbemm has not answered yet: the volume goes back when it does';
      const timer = setTimeout(() => end(new StatusError('resourcesBusy', late)), ANSWER_MS);
      this.#waiting.set(key, end);
    });
  }
}

function inUse(mediaId: string, why: string): StatusError {
  return new StatusError('mediaInUse', why, { mediaId });
}
