// One READ as the Drive port means it: how long the block was, and whether there was one at all.

import { StatusError } from '@tapestry/status';
import type { ReadResult } from '@tapestry/storage';
import type { DeviceOutcome } from '../scsi/scsi-device.ts';
import { describeSense, SENSE_KEY } from '../scsi/sense.ts';
import type { TapeMedium } from './tape-medium.ts';
import type { TapeUnit } from './tape-unit.ts';

export async function readTapeBlock(
  unit: TapeUnit,
  medium: TapeMedium,
  into: Uint8Array,
): Promise<ReadResult> {
  const { limits, positioning, losesLongBlocks } = medium;
  const needsMore = losesLongBlocks && into.length < limits.maxBytes;
  const target = needsMore
    ? Buffer.allocUnsafe(limits.maxBytes)
    : Buffer.from(into.buffer, into.byteOffset, Math.min(into.length, limits.maxBytes));
  const outcome = await unit.read(target);
  const { sense } = outcome;
  if (sense?.key === SENSE_KEY.blankCheck) return { kind: 'endOfData' };
  if (sense?.key === SENSE_KEY.mediumError) {
    await positioning.passDamagedBlock();
    throw new StatusError('mediaReadError', `a block cannot be read: ${describeSense(sense)}`);
  }
  if (sense?.filemark) {
    positioning.passedFilemark();
    return { kind: 'filemark' };
  }
  positioning.passedBlock();
  const lengthBytes = lengthOf(outcome, target.length);
  const arrivedBytes = Math.min(outcome.data.length, lengthBytes);
  if (needsMore) into.set(target.subarray(0, Math.min(arrivedBytes, into.length)));
  if (lengthBytes > into.length) return { kind: 'oversize', lengthBytes };
  if (arrivedBytes < lengthBytes) {
    throw new StatusError('mediaReadError', `${arrivedBytes} of ${lengthBytes} bytes of a block`);
  }
  return { kind: 'block', lengthBytes, crc32: null };
}

/** The sense tells the length better than the residual, which some devices get wrong beside a sense. */
function lengthOf({ sense, data, residualBytes }: DeviceOutcome, requestedBytes: number): number {
  if (!sense?.incorrectLength) return data.length;
  return requestedBytes - (sense.information ?? residualBytes);
}
