// A restore through another host's mover: the data service asks for ranges, the mover reads them, and where they lie in
// another fragment the tape is brought there first.

import type { Fragment, MoverState } from '@tapestry/contracts';
import type { StatusError } from '@tapestry/status';
import type { Range, ReadOrder } from '../drive-process/messages.ts';
import { checkMediumForRead } from '../drive-process/volume-check.ts';
import { lateAfter, type MoverRunParts, MoverStates, moverFailure } from './mover-run.ts';

export class MoverReader {
  readonly #parts: MoverRunParts;
  readonly #order: ReadOrder;
  readonly #states: MoverStates;
  readonly #ranges: Range[] = [];
  #wake: () => void = () => undefined;
  #current: Fragment;

  constructor(parts: MoverRunParts, order: ReadOrder) {
    this.#parts = parts;
    this.#order = order;
    this.#states = new MoverStates(parts);
    this.#current = order.fragments[0]!;
  }

  get bytes(): bigint {
    return this.#states.bytes;
  }

  range(range: Range): void {
    this.#ranges.push(range);
    this.#wake();
  }

  /** Resolves with the bytes that were moved once the data service is done. Errors: 85, 86, 94, 99, those of the drive. */
  async run(): Promise<bigint> {
    const { drive, report, link, local, finish } = this.#parts;
    const { volume, fragments } = this.#order;
    const fileNumber = await checkMediumForRead(drive, volume, fragments, report);
    const first = fragments.find(({ mediaId }) => mediaId === volume.mediaId);
    await this.#bring(first!);
    report({ type: 'positioned', labelled: false, fileNumber });
    const recordBytes = first!.blockSizeBytes;
    const order = { writes: false, local, recordBytes, ...windowOf(first!) };
    const { addresses } = await link.order('TAPE_OPERATION_MOVER_LISTEN', order);
    this.#states.ordered();
    report({ type: 'moverListening', addresses, local });
    await this.#serve();
    report({ type: 'endOfStream', bytes: this.bytes });
    await finish;
    await link.order('TAPE_OPERATION_MOVER_STOP');
    return this.bytes;
  }

  /** Until the mover halted, or the data service is done with it. */
  async #serve(): Promise<void> {
    const over = new AbortController();
    const late = lateAfter(this.#parts.finish, over.signal);
    const done = this.#parts.finish.then(() => 'done' as const);
    for (const each of [late, done]) each.catch(() => undefined);
    let last: MoverState | undefined;
    let pending: Promise<MoverState> | undefined;
    try {
      for (;;) {
        // One question is under way at a time: an answer that nobody takes would hide what it tells.
        pending ??= this.#states.next();
        const event = await Promise.race([pending, this.#asked(), done, late]);
        if (event === 'done') return;
        if (event === 'asked') {
          if (last !== undefined) await this.#readOn(last);
          continue;
        }
        pending = undefined;
        last = event;
        // A data service that has enough waits for no volume.
        const over = await Promise.race([this.#act(event), done]);
        if (over === true || over === 'done') return;
      }
    } finally {
      pending?.catch(() => undefined);
      over.abort();
    }
  }

  /** True when nothing more is to come. */
  async #act(state: MoverState): Promise<boolean> {
    switch (state.state) {
      case 'halted':
        if (state.reason === 'connectClosed') return true;
        throw this.#noted(moverFailure(state, 'mediaReadError', this.#current.mediaId));
      case 'paused':
        await this.#onPause(state);
        return false;
      case 'active':
        await this.#readOn(state);
        return false;
      default:
        return false;
    }
  }

  /** Orders the next range once the mover has done the one before; what it then does is a new state. */
  async #readOn({ state, bytesLeftToRead }: MoverState): Promise<void> {
    if (state !== 'active' || bytesLeftToRead > 0n) return;
    const next = this.#ranges.shift();
    if (next === undefined) return;
    const { offset: readOffset, length: readLength } = next;
    await this.#parts.link.order('TAPE_OPERATION_MOVER_READ', { readOffset, readLength });
  }

  async #onPause(paused: MoverState): Promise<void> {
    const { link } = this.#parts;
    const { reason, seekPosition } = paused;
    if (reason !== 'seek' && reason !== 'eof' && reason !== 'eom') {
      throw this.#noted(moverFailure(paused, 'mediaReadError', this.#current.mediaId));
    }
    // At a mark it read to the end of its records: what follows lies in the next fragment.
    const wanted = reason === 'seek' ? seekPosition : this.#current.streamEndBytes;
    const holds = (f: Fragment): boolean =>
      wanted >= f.streamBeginBytes && wanted < f.streamEndBytes;
    const fragment = this.#order.fragments.find(holds);
    if (fragment === undefined) {
      // Behind the end of the image: the data service learns it by the end of its connection.
      await link.order('TAPE_OPERATION_MOVER_STOP');
    } else {
      if (fragment.mediaId !== this.#current.mediaId) await this.#exchange(fragment.mediaId);
      await this.#bring(fragment);
      await link.order('TAPE_OPERATION_MOVER_CONTINUE', windowOf(fragment));
    }
    this.#states.ordered();
  }

  async #exchange(mediaId: string): Promise<void> {
    const { drive, report, needVolume } = this.#parts;
    const over = new AbortController();
    const watching = this.#states.keepWatching(over.signal);
    watching.catch(() => undefined);
    try {
      const { volume } = await Promise.race([needVolume(mediaId, null), watching]);
      const { fragments } = this.#order;
      const fileNumber = await checkMediumForRead(drive, volume, fragments, report);
      report({ type: 'positioned', labelled: false, fileNumber });
    } finally {
      over.abort(new Error('it goes on'));
    }
  }

  /** Leaves the tape at the first of the fragment's records. */
  async #bring(fragment: Fragment): Promise<void> {
    await this.#parts.drive.locate({ file: fragment.fileNumber + 1, block: 0 });
    this.#current = fragment;
  }

  /** Resolves when a range is asked for, from now on. */
  async #asked(): Promise<'asked'> {
    await new Promise<void>((resolve) => {
      this.#wake = resolve;
    });
    return 'asked';
  }

  #noted(error: StatusError): StatusError {
    if (error.status === 'mediaReadError') {
      const { detail } = error;
      this.#parts.report({ type: 'mediaEvent', event: 'MEDIA_EVENT_READ_ERROR', detail });
    }
    return error;
  }
}

function windowOf({ streamBeginBytes, streamEndBytes }: Fragment) {
  return { windowOffset: streamBeginBytes, windowLength: streamEndBytes - streamBeginBytes };
}
