// What a stream owes nbemm: closed fragments and what was seen of the medium. Written with the change that made it, delivered in
// order, each until it is answered.

import type { Client } from '@tapestry/bus';
import { codec, type OpenStreamRequest } from '@tapestry/contracts';
import type { Clock, Logger } from '@tapestry/runtime';
import { attemptKey, type Lease, refOf } from '@tapestry/runtime/fence';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { asStatusError, type StatusError } from '@tapestry/status';
import type { Letter, StreamStore } from './adapters/stream-store.ts';
import type { StreamEffect } from './core/stream.ts';

export interface LetterBoxParts {
  /** As it stands: the volume of its grant may be another by now. */
  readonly request: () => OpenStreamRequest;
  readonly lease: Lease;
  /** Under which nbemm hears of fragments: one for all streams that share a mount, so that their order counts. */
  readonly recordUnder: Lease;
  readonly store: StreamStore;
  readonly nbemm: Client<'nbemm'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stopping: AbortSignal;
  onRecorded(fragmentNumber: number): void;
  onRefused(failure: StatusError): void;
}

export class LetterBox {
  readonly #parts: LetterBoxParts;
  readonly #attempt: string;
  #delivering = false;
  #mediaEvents = 0;

  constructor(parts: LetterBoxParts) {
    this.#parts = parts;
    this.#attempt = attemptKey(parts.lease.attempt);
  }

  /** The letters that an effect makes, to be saved with the change that it comes from. */
  write(effect: StreamEffect): Omit<Letter, 'id'>[] {
    const { lease, clock } = this.#parts;
    const request = this.#parts.request();
    const attempt = this.#attempt;
    const grant = refOf(lease);
    const atMs = BigInt(clock.nowMs());
    if (effect.do === 'record') {
      const { fragment, append } = effect.closed;
      const { image, backupId } = request;
      const writtenBytes = fragment.streamEndBytes - fragment.streamBeginBytes;
      const letter = codec('RecordFragmentRequest').encode({
        ...{ grant: refOf(this.#parts.recordUnder), mediaId: fragment.mediaId, append },
        ...{ writtenBytes, atMs },
        ...{ backupId: image?.backupId ?? backupId, expirationS: image?.expirationS ?? 0n },
      });
      return [{ attempt, kind: 'fragment', number: fragment.number, request: letter }];
    }
    if (effect.do === 'mediaEvent') {
      const { event, detail } = effect;
      const drive = request.grant?.drive?.name ?? '';
      const mediaId = request.grant?.volume?.mediaId ?? '';
      const letter = codec('RecordMediaEventRequest').encode({
        ...{ grant, mediaId, drive, event, atMs, detail },
      });
      this.#mediaEvents += 1;
      const number = Number(atMs) * 1000 + (this.#mediaEvents % 1000);
      return [{ attempt, kind: 'media', number, request: letter }];
    }
    return [];
  }

  async deliver(): Promise<void> {
    if (this.#delivering) return;
    this.#delivering = true;
    const { store, stopping } = this.#parts;
    try {
      while (!stopping.aborted) {
        const letter = store.letters(this.#attempt)[0];
        if (letter === undefined) return;
        await this.#deliverOne(letter);
      }
    } finally {
      this.#delivering = false;
    }
  }

  async #deliverOne(letter: Letter): Promise<void> {
    const { store, stopping, log } = this.#parts;
    let refusal: StatusError | undefined;
    try {
      await untilAnswered((signal) => this.#send(letter, signal), { signal: stopping });
      if (stopping.aborted) return;
    } catch (error) {
      if (stopping.aborted) return;
      refusal = asStatusError(error);
      log.warn({ err: error, stream: this.#attempt, kind: letter.kind }, 'nbemm refused');
    }
    store.dropLetter(letter.id);
    if (letter.kind !== 'fragment') return;
    if (refusal === undefined) this.#parts.onRecorded(letter.number);
    else this.#parts.onRefused(refusal);
  }

  #send({ kind, request }: Letter, signal: AbortSignal): Promise<unknown> {
    const { nbemm } = this.#parts;
    return kind === 'fragment'
      ? nbemm.RecordFragment(codec('RecordFragmentRequest').decode(request), { signal })
      : nbemm.RecordMediaEvent(codec('RecordMediaEventRequest').decode(request), { signal });
  }
}
