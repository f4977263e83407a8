// A drive of an NDMP host as bptm sees it through its tape session: labels, headers and positions only. Blocks of a backup
// are moved by the host's own mover.

import { StatusError } from '@tapestry/status';
import type {
  BlockLimits,
  Drive,
  LoadState,
  LocateTarget,
  Position,
  ReadResult,
  SpaceResult,
  WriteBlock,
  WriteResult,
} from '@tapestry/storage';
import type { TapeLink } from './tape-link.ts';

/** What one call carries at most. */
const BLOCK_MAX_BYTES = 65_536;

export class RemoteDrive implements Drive {
  readonly #link: TapeLink;

  constructor(link: TapeLink) {
    this.#link = link;
  }

  async loadState(): Promise<LoadState> {
    const { loaded, writeProtected } = await this.#link.call('TAPE_OPERATION_LOAD_STATE');
    return { loaded, writeProtected, barcode: null, worm: false };
  }

  async blockLimits(): Promise<BlockLimits> {
    return { minBytes: 1, maxBytes: BLOCK_MAX_BYTES };
  }

  async readBlock(into: Uint8Array): Promise<ReadResult> {
    const count = Math.min(into.length, BLOCK_MAX_BYTES);
    const { kind, block, length } = await this.#link.call('TAPE_OPERATION_READ', { count });
    if (kind === 'filemark' || kind === 'endOfData') return { kind };
    into.set(block.subarray(0, into.length));
    if (kind === 'oversize') return { kind, lengthBytes: length };
    return { kind: 'block', lengthBytes: length, crc32: null };
  }

  async writeBlocks(blocks: readonly WriteBlock[]): Promise<WriteResult> {
    let written = 0;
    let earlyWarning = false;
    for (const { parts } of blocks) {
      const block = Buffer.concat(parts);
      const result = await this.#link.call('TAPE_OPERATION_WRITE', { block });
      written += result.done;
      earlyWarning ||= result.earlyWarning;
      if (result.done === 0) return { written, earlyWarning, endOfMedium: result.endOfMedium };
    }
    return { written, earlyWarning, endOfMedium: false };
  }

  async writeFilemarks(count: number): Promise<WriteResult> {
    const { done, earlyWarning, endOfMedium } = await this.#link.call('TAPE_OPERATION_FILEMARKS', {
      count,
    });
    return { written: done, earlyWarning, endOfMedium };
  }

  async locate(target: LocateTarget): Promise<void> {
    if (typeof target !== 'object' || !('file' in target))
      throw unable('find but by file and block');
    const { file: fileNumber, block: blockNumber } = target;
    await this.#link.call('TAPE_OPERATION_LOCATE', { fileNumber, blockNumber });
  }

  spaceFilemarks(count: number): Promise<SpaceResult> {
    return this.#space('TAPE_OPERATION_SPACE_FILEMARKS', count);
  }

  spaceBlocks(count: number): Promise<SpaceResult> {
    return this.#space('TAPE_OPERATION_SPACE_BLOCKS', count);
  }

  async position(): Promise<Position> {
    const { fileNumber, blockNumber } = await this.#link.call('TAPE_OPERATION_POSITION');
    return { object: null, file: fileNumber, block: blockNumber };
  }

  async rewind(): Promise<void> {
    await this.#link.call('TAPE_OPERATION_REWIND');
  }

  /** NDMP has no order for it: what is written moves the end of the tape to here. */
  async erase(how: 'short' | 'long' = 'short'): Promise<void> {
    if (how === 'long') throw unable('write over a whole tape: erase it without -l');
    await this.writeFilemarks(1);
  }

  async capacity(): Promise<null> {
    return null;
  }

  async tapeAlerts(): Promise<readonly number[]> {
    return (await this.#link.call('TAPE_OPERATION_TAPE_ALERTS')).tapeAlerts;
  }

  async unload(): Promise<void> {
    throw unable('unload: its robot does');
  }

  /** The session is closed by whoever opened it. */
  async close(): Promise<void> {}

  async #space(
    operation: 'TAPE_OPERATION_SPACE_FILEMARKS' | 'TAPE_OPERATION_SPACE_BLOCKS',
    count: number,
  ): Promise<SpaceResult> {
    const { done, stoppedAt } = await this.#link.call(operation, { count });
    return { spaced: done, stoppedAt: stoppedAt === '' ? null : (stoppedAt as Stop) };
  }
}

type Stop = NonNullable<SpaceResult['stoppedAt']>;

function unable(what: string): StatusError {
  return new StatusError('notImplemented', `a drive behind an NDMP host cannot ${what}`);
}
