// A disk storage unit above its high water mark is no place for the next backup until something goes: bpdbm is asked to
// remove what has expired there. Asked again only after a while, for as long as the unit stays full.

import type { Client } from '@tapestry/bus';
import { asStatusError } from '@tapestry/status';
import type { StoreLog } from '@tapestry/store';

const ASK_EVERY_MS = 300_000;

export class FullDisks {
  readonly #bpdbm: Pick<Client<'bpdbm'>, 'CleanUpImages'>;
  readonly #log: StoreLog;
  readonly #askedMs = new Map<string, number>();

  constructor(bpdbm: Pick<Client<'bpdbm'>, 'CleanUpImages'>, log: StoreLog) {
    this.#bpdbm = bpdbm;
    this.#log = log;
  }

  /** The unit is full now. Never fails: the next report asks again. */
  async isFull(storageUnit: string, nowMs: number): Promise<void> {
    const asked = this.#askedMs.get(storageUnit);
    if (asked !== undefined && nowMs - asked < ASK_EVERY_MS) return;
    this.#askedMs.set(storageUnit, nowMs);
    try {
      const requester = 'the high water mark';
      const { jobId } = await this.#bpdbm.CleanUpImages({ storageUnit, requester });
      const fields = { storageUnit, jobId: String(jobId) };
      if (jobId > 0n) this.#log.info(fields, 'a storage unit is full: expired images go');
    } catch (error) {
      this.#askedMs.delete(storageUnit);
      const { detail } = asStatusError(error);
      this.#log.warn({ storageUnit, detail }, 'a full storage unit could not be cleaned up');
    }
  }

  hasRoom(storageUnit: string): void {
    this.#askedMs.delete(storageUnit);
  }
}
