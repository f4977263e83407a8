// One READ as the Drive port means it: how long the block was, and whether there was one at all.

import { StatusError } from '@tapestry/status';
import type { ReadResult } from '@tapestry/storage';
import type { DeviceOutcome } from '../scsi/scsi-device.ts';
import { describeSense, isEndOfData, SENSE_KEY } from '../scsi/sense.ts';
import { BLOCK_BYTES_MAX, SPACE } from '../scsi/ssc.ts';
import type { TapePositioning } from './tape-positioning.ts';
import type { TapeUnit } from './tape-unit.ts';

export class BlockReader {
  readonly #unit: TapeUnit;
  readonly #positioning: TapePositioning;
  readonly #mustBeExact: boolean;
  #lastBytes = 0;

  /** `mustBeExact`: the device gives the right data only to who asks for the very length of the block. */
  constructor(unit: TapeUnit, positioning: TapePositioning, mustBeExact: boolean) {
    this.#unit = unit;
    this.#positioning = positioning;
    this.#mustBeExact = mustBeExact;
  }

  async read(into: Uint8Array): Promise<ReadResult> {
    const room = Buffer.from(into.buffer, into.byteOffset, Math.min(into.length, BLOCK_BYTES_MAX));
    // Blocks of one file mostly have one length.
    const isGuessed = this.#mustBeExact && this.#lastBytes > 0 && this.#lastBytes < room.length;
    const target = isGuessed ? room.subarray(0, this.#lastBytes) : room;
    const outcome = await this.#unit.read(target);
    const { sense } = outcome;
    if (sense && isEndOfData(sense)) return { kind: 'endOfData' };
    if (sense?.key === SENSE_KEY.mediumError) {
      await this.#positioning.passDamagedBlock();
      throw new StatusError('mediaReadError', `a block cannot be read: ${describeSense(sense)}`);
    }
    if (sense?.filemark) {
      this.#positioning.passedFilemark();
      return { kind: 'filemark' };
    }
    const lengthBytes = lengthOf(outcome, target.length);
    const isWhole = lengthBytes === target.length || !this.#mustBeExact;
    const arrivedBytes = isWhole ? outcome.data.length : await this.#readAgain(lengthBytes, room);
    this.#positioning.passedBlock();
    this.#lastBytes = lengthBytes;
    if (lengthBytes > into.length) return { kind: 'oversize', lengthBytes };
    if (arrivedBytes < lengthBytes) {
      throw new StatusError('mediaReadError', `${arrivedBytes} of ${lengthBytes} bytes of a block`);
    }
    return { kind: 'block', lengthBytes, crc32: null };
  }

  /** Back over the block, and through it once more with its own length. */
  async #readAgain(lengthBytes: number, room: Buffer): Promise<number> {
    await this.#unit.space(SPACE.blocks, -1);
    const fits = lengthBytes <= room.length;
    const target = fits ? room.subarray(0, lengthBytes) : Buffer.allocUnsafe(lengthBytes);
    const { sense, data } = await this.#unit.read(target);
    if (sense !== null) throw new StatusError('mediaReadError', describeSense(sense));
    if (!fits) target.copy(room, 0, 0, room.length);
    return data.length;
  }
}

/** The sense tells the length better than the residual, which some devices get wrong beside a sense. */
function lengthOf({ sense, data, residualBytes }: DeviceOutcome, requestedBytes: number): number {
  if (!sense?.incorrectLength) return data.length;
  const lengthBytes = requestedBytes - (sense.information ?? residualBytes);
  if (lengthBytes > 0 && lengthBytes <= BLOCK_BYTES_MAX) return lengthBytes;
  throw new StatusError('mediaReadError', `the drive tells of a block of ${lengthBytes} bytes`);
}
