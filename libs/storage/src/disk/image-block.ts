// What a disk storage unit takes for a block: it keeps no lengths beside the blocks, so each must say its own.

import { StatusError } from '@tapestry/status';
import { checkedBlockLength } from '../block-checks.ts';
import type { FilemarkMode, WriteBlock } from '../drive.ts';
import { PAYLOAD_OFFSET, statedBlockLength } from '../format/block.ts';

/** The block's length. Throws `invalidParameter` for what is no block of an image. */
export function imageBlockLength(block: WriteBlock): number {
  const length = checkedBlockLength(block);
  const [first] = block.parts;
  const start = first && first.length >= PAYLOAD_OFFSET ? first : Buffer.concat(block.parts);
  if (statedBlockLength(start) === length) return length;
  throw new StatusError('invalidParameter', 'a disk takes the blocks of an image and nothing else');
}

/** Whether these filemarks end a fragment; else they only flush. Throws `invalidParameter` for others. */
export function endsFragment(count: number, mode: FilemarkMode, blocks: number): boolean {
  if (mode !== 'sync' || (count !== 0 && count !== 1)) {
    throw new StatusError('invalidParameter', 'a disk ends fragments one by one, and durably');
  }
  if (count === 1 && blocks === 0) {
    throw new StatusError('invalidParameter', 'a fragment without a block cannot be committed');
  }
  return count === 1;
}
