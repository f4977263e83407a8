// Checks that every drive makes on what its caller hands over, and the limits it makes them against.

import { StatusError } from '@tapestry/status';
import type { BlockLimits, WriteBlock } from './drive.ts';

/** A block as LTO drives take it: up to 16 MiB − 1 bytes. */
export const BLOCK_LIMITS: BlockLimits = { minBytes: 1, maxBytes: 16 * 1024 * 1024 - 1 };

export function blockLength(block: WriteBlock): number {
  let length = 0;
  for (const part of block.parts) length += part.length;
  return length;
}

/** The block's length, or `invalidParameter` when no drive would take it. */
export function checkedBlockLength(block: WriteBlock): number {
  const length = blockLength(block);
  if (length < BLOCK_LIMITS.minBytes || length > BLOCK_LIMITS.maxBytes) {
    const { minBytes, maxBytes } = BLOCK_LIMITS;
    throw new StatusError(
      'invalidParameter',
      `a block has ${minBytes} to ${maxBytes} bytes, not ${length}`,
    );
  }
  return length;
}

export function checkFilemarkCount(count: number): void {
  if (!Number.isSafeInteger(count) || count < 0 || count > 1_000_000) {
    throw new StatusError('invalidParameter', `cannot write ${count} filemarks`);
  }
}

export function checkSpaceCount(count: number): void {
  if (!Number.isSafeInteger(count)) {
    throw new StatusError('invalidParameter', `cannot space by ${count}`);
  }
}
