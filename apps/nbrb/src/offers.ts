// What nbemm has answered, by need. An old answer may only say that a need must wait (its drives are all in use); what is
// given out comes from one that was asked for after the holdings of the same round were read.

import type { DriveSpec, ResourceRequest } from '@tapestry/contracts';
import type { Offer } from './core/choice.ts';
import type { KnownOffer, Offers } from './core/plan.ts';

/** An answer that nothing has called into question is asked for again after so long. */
const KEEP_MS = 60_000;
const NEEDS_MAX = 50_000;

interface Entry {
  readonly offer: Offer;
  readonly mediaId: string;
  readonly askedMs: number;
  readonly round: number;
}

export class OfferBook implements Offers {
  readonly #byNeed = new Map<string, Entry>();
  /** Lists of drives that are alike are one list: what is found out about it counts for all who name it. */
  readonly #driveLists = new Map<string, DriveSpec[]>();
  #round = 0;
  #nowMs = 0;

  /** From now on, what was asked for before is old. */
  beginRound(nowMs: number): void {
    this.#round += 1;
    this.#nowMs = nowMs;
  }

  find(needKey: string): KnownOffer | undefined {
    const entry = this.#byNeed.get(needKey);
    if (entry === undefined) return undefined;
    const fresh = entry.round === this.#round;
    if (!fresh && this.#nowMs - entry.askedMs > KEEP_MS) return undefined;
    return { offer: entry.offer, fresh };
  }

  /** `lasting` false: it answers this round only, because nbemm could not be asked. */
  set(needKey: string, request: ResourceRequest, offer: Offer, lasting: boolean): void {
    if (this.#byNeed.size >= NEEDS_MAX) this.forget('start');
    const choices = offer.choices.map((option) => ({
      ...option,
      drives: this.#sameList(option.drives),
    }));
    this.#byNeed.set(needKey, {
      ...{ offer: { ...offer, choices }, mediaId: request.mediaId, round: this.#round },
      askedMs: lasting ? this.#nowMs : this.#nowMs - KEEP_MS - 1,
    });
  }

  /** nbemm has changed something. Volumes come and go all the time, and are asked for anew before they are given. */
  forget(what: string): void {
    const mediaId = /^volume (\S+)$/.exec(what)?.[1];
    if (mediaId === undefined) {
      this.#byNeed.clear();
      this.#driveLists.clear();
      return;
    }
    for (const [key, entry] of this.#byNeed)
      if (entry.mediaId === mediaId) this.#byNeed.delete(key);
  }

  #sameList(drives: DriveSpec[]): DriveSpec[] {
    const key = drives.map(({ name, mediaServer }) => `${name}@${mediaServer}`).join();
    const known = this.#driveLists.get(key) ?? drives;
    this.#driveLists.set(key, known);
    return known;
  }
}
