// What writing and reading through another host's mover share: the mover's states in their order, told as progress, and
// which of its ends are failures.

import type { MoverState } from '@tapestry/contracts';
import { fromWire, StatusError, type StatusName } from '@tapestry/status';
import type { Drive } from '@tapestry/storage';
import type { Failure, Finish, FromDrive, NextVolume } from '../drive-process/messages.ts';
import type { TapeLink } from './tape-link.ts';

export interface MoverRunParts {
  readonly link: TapeLink;
  readonly drive: Drive;
  /** The data service is the tape host's own. */
  readonly local: boolean;
  /** Every tape block is a multiple of it; 0: blocks may have any size. */
  readonly fixedBlockBytes: number;
  readonly report: (message: FromDrive) => void;
  /** Resolves when the data service halted well. */
  readonly finish: Promise<Finish>;
  /** Asks bptm for another volume; resolves when it is in the drive, which was given back for it. */
  needVolume(mediaId: string, refused: Failure | null): Promise<NextVolume>;
}

const PROGRESS_MS = 500;
/** The window that goes on without end. */
export const NO_END = 0xffff_ffff_ffff_ffffn;
/** After the data service's end its mover gets this long to write what it has. */
const MOVER_END_MAX_MS = 300_000;

/** Goes through the mover's states, and tells of the first data and of bytes. */
export class MoverStates {
  readonly #parts: MoverRunParts;
  #version = 0n;
  #connected = false;
  #bytes = 0n;
  #toldMs = 0;

  constructor(parts: MoverRunParts) {
    this.#parts = parts;
  }

  get bytes(): bigint {
    return this.#bytes;
  }

  /** After an order the next state is the present one, whichever that is. */
  ordered(): void {
    this.#version = 0n;
  }

  /** Watches on without a question, so that the session is not taken for forgotten. Rejects when it ends by itself. */
  async keepWatching(signal: AbortSignal): Promise<never> {
    // With a count of its own: an answer that comes late must hide nothing from who asks next.
    for (let version = 0n; ; ) {
      const state = await this.#parts.link.watch(version);
      version = state.version;
      if (state.status !== null) throw fromWire(state.status);
      signal.throwIfAborted();
    }
  }

  /** The next state, or the same one after a while. Errors: what ended the tape session. */
  async next(): Promise<MoverState> {
    const state = await this.#parts.link.watch(this.#version);
    this.#version = state.version;
    if (state.status !== null) throw fromWire(state.status);
    if (!this.#connected && state.state === 'active') {
      this.#connected = true;
      const peer = this.#parts.local ? 'its own data service' : 'the data service';
      this.#parts.report({ type: 'connected', peer, by: 'filer' });
    }
    if (state.state !== 'idle') this.#bytes = state.bytesMoved;
    const nowMs = performance.now();
    if (nowMs - this.#toldMs >= PROGRESS_MS) {
      this.#toldMs = nowMs;
      this.#parts.report({ type: 'progress', bytes: this.#bytes });
    }
    return state;
  }
}

/** Rejects once the data service is done for so long that its mover should be, too. */
export async function lateAfter(finish: Promise<Finish>, signal: AbortSignal): Promise<never> {
  await finish;
  return new Promise((_, reject) => {
    const detail = 'the data service is done, but the mover of the tape host does not end';
    const fail = (): void => reject(new StatusError('imageInconsistent', detail));
    const timer = setTimeout(fail, MOVER_END_MAX_MS);
    signal.addEventListener('abort', () => clearTimeout(timer), { once: true });
  });
}

/** A mover that stopped for its medium, or for no reason of ours. */
export function moverFailure(
  { state, reason }: MoverState,
  medium: StatusName,
  mediaId: string,
): StatusError {
  const isMedium = reason === 'mediaError' || reason === 'eom';
  const detail = `${mediaId}: the mover of the tape host is ${state} (${reason})`;
  return new StatusError(isMedium ? medium : 'ndmpFailed', detail);
}
