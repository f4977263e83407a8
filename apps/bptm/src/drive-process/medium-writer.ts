// Writing on a medium that streams share: what the drive answers is judged here, and what it says of the medium is
// reported once.

import { StatusError } from '@tapestry/status';
import type { BlockSink, WriteBlock, WriteResult } from '@tapestry/storage';
import type { FromDrive } from './messages.ts';
import { isOfConnection } from './network-drive.ts';

export interface MediumWriterParts {
  readonly drive: BlockSink;
  readonly mediaId: string;
  /** Hears what is to be told of the medium. */
  report(message: FromDrive): void;
  /** The end came before early warning left room for what must still be written. */
  endedTooSoon(): StatusError;
}

export class MediumWriter {
  /** The medium is past early warning: it takes what closes a tape file, and no more data. */
  warned = false;
  readonly #parts: MediumWriterParts;

  constructor(parts: MediumWriterParts) {
    this.#parts = parts;
  }

  /** Answers how many of them the medium took; fewer only when it is `warned`. Errors: 84. */
  async write(blocks: readonly WriteBlock[]): Promise<number> {
    const { written } = this.#judge(await this.#noted(this.#parts.drive.writeBlocks(blocks)));
    if (written === blocks.length || this.warned) return written;
    const { mediaId } = this.#parts;
    const detail = `${mediaId}: only ${written} of ${blocks.length} blocks were written`;
    throw new StatusError('mediaWriteError', detail);
  }

  /** What closes a tape file. Errors: 84, also when there is no room for it. */
  async writeLast(block: WriteBlock): Promise<void> {
    if ((await this.write([block])) !== 1) throw this.#parts.endedTooSoon();
  }

  /** A filemark, with everything before it durable. Errors as for `writeLast`. */
  async mark(): Promise<void> {
    const { written } = this.#judge(await this.#noted(this.#parts.drive.writeFilemarks(1, 'sync')));
    if (written !== 1) throw this.#parts.endedTooSoon();
  }

  /** Object number of the next block; null where the drive cannot tell. */
  async object(): Promise<number | null> {
    return (await this.#parts.drive.position()).object;
  }

  /** Fewer objects than were written means that somebody else moved the tape: nothing on it can be trusted. */
  async checkObject(expected: number): Promise<void> {
    const object = await this.object();
    if (object === null || object === expected) return;
    const detail = `${this.#parts.mediaId} stands at object ${object}, not at ${expected}`;
    this.#parts.report({ type: 'mediaEvent', event: 'MEDIA_EVENT_POSITION_ERROR', detail });
    throw new StatusError('mediaPositionError', detail);
  }

  #judge(result: WriteResult): WriteResult {
    this.warned ||= result.earlyWarning || result.endOfMedium;
    return result;
  }

  /** A drive that fails to write is told of before the streams end with it. */
  async #noted<T>(work: Promise<T>): Promise<T> {
    try {
      return await work;
    } catch (error) {
      const isWrite = error instanceof StatusError && error.status === 'mediaWriteError';
      if (isWrite && !isOfConnection(error)) {
        const { detail } = error;
        this.#parts.report({ type: 'mediaEvent', event: 'MEDIA_EVENT_WRITE_ERROR', detail });
      }
      throw error;
    }
  }
}
