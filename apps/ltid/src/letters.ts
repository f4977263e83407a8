// What nbemm must hear of volumes and drives, in order, each until it is answered: kept on the disk, so that its picture of
// what is in which drive follows ours however long it is away.

import type { Client } from '@tapestry/bus';
import {
  codec,
  type Init,
  type RecordMediaEventRequest,
  type SetDriveStateRequest,
} from '@tapestry/contracts';
import type { Clock, Logger } from '@tapestry/runtime';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import type { Letter, MountStore } from './adapters/mount-store.ts';

export interface LetterParts {
  readonly store: MountStore;
  readonly nbemm: Client<'nbemm'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stopping: AbortSignal;
}

/** While nbemm is away for so long that more would wait, the oldest are forgotten. */
const LETTERS_MAX = 1_000;

export class Letters {
  readonly #parts: LetterParts;
  #delivering = false;

  constructor(parts: LetterParts) {
    this.#parts = parts;
  }

  mediaEvent(event: Init<RecordMediaEventRequest>): void {
    const atMs = BigInt(this.#parts.clock.nowMs());
    this.#add('mediaEvent', codec('RecordMediaEventRequest').encode({ atMs, ...event }));
  }

  /** The drive must not be given out any more. */
  driveDown(name: string, reason: string): void {
    this.#parts.log.warn({ drive: name, reason }, 'a drive is taken down');
    const request: Init<SetDriveStateRequest> = { name, up: false, reason };
    this.#add('driveState', codec('SetDriveStateRequest').encode(request));
  }

  async deliver(): Promise<void> {
    const { store, stopping, log } = this.#parts;
    if (this.#delivering) return;
    this.#delivering = true;
    try {
      while (!stopping.aborted) {
        const letter = store.firstLetter();
        if (letter === undefined) return;
        try {
          await untilAnswered((signal) => this.#send(letter, signal), { signal: stopping });
        } catch (error) {
          if (stopping.aborted) return;
          log.warn({ err: error, kind: letter.kind }, 'nbemm refused what it was told');
        }
        if (!stopping.aborted) store.dropLetter(letter.id);
      }
    } finally {
      this.#delivering = false;
    }
  }

  #add(kind: Letter['kind'], request: Uint8Array): void {
    if (this.#parts.stopping.aborted) return;
    this.#parts.store.addLetter({ kind, request }, LETTERS_MAX);
    void this.deliver();
  }

  #send({ kind, request }: Letter, signal: AbortSignal): Promise<unknown> {
    const { nbemm } = this.#parts;
    return kind === 'mediaEvent'
      ? nbemm.RecordMediaEvent(codec('RecordMediaEventRequest').decode(request), { signal })
      : nbemm.SetDriveState(codec('SetDriveStateRequest').decode(request), { signal });
  }
}
