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
  /** What a medium without room means for its streams; told of before. */
  full(): StatusError;
}

export class MediumWriter {
  readonly #parts: MediumWriterParts;

  constructor(parts: MediumWriterParts) {
    this.#parts = parts;
  }

  /** Errors: 84, and what `full` says. */
  async write(blocks: readonly WriteBlock[]): Promise<void> {
    this.#check(await this.#noted(this.#parts.drive.writeBlocks(blocks)), blocks.length);
  }

  /** A filemark, with everything before it durable. */
  async mark(): Promise<void> {
    this.#check(await this.#noted(this.#parts.drive.writeFilemarks(1, 'sync')), 1);
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

  /** Past early warning data still fits for a while: the medium counts as full when something does not. */
  #check(result: WriteResult, count: number): void {
    if (result.written === count) return;
    if (result.endOfMedium || result.earlyWarning) throw this.#parts.full();
    const { mediaId } = this.#parts;
    const detail = `${mediaId}: only ${result.written} of ${count} blocks were written`;
    throw new StatusError('mediaWriteError', detail);
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
