// One READ as the Drive port means it: how long the block was, and whether there was one at all.

import { StatusError } from '@tapestry/status';
import type { ReadResult } from '@tapestry/storage';
import type { DeviceOutcome } from '../scsi/scsi-device.ts';
import { describeSense, isEndOfData, SENSE_KEY } from '../scsi/sense.ts';
import { BLOCK_BYTES_MAX, SPACE } from '../scsi/ssc.ts';
import type { TapePositioning } from './tape-positioning.ts';
import type { TapeUnit } from './tape-unit.ts';

/** A block that is longer than what was asked for shows by as much. */
const SPARE_BYTES = 8;
const LONGER = 4;

export class BlockReader {
  readonly #unit: TapeUnit;
  readonly #positioning: TapePositioning;
  readonly #isDoubtful: boolean;
  readonly #maxBytes: number;
  #tellsLengths = false;
  #lastBytes = 0;

  /**
   * `isDoubtful`: the device may give the right data only to who asks for the very length of the block, or may cut a block
   * without a word. Which of both it is shows when it first tells of a wrong length.
   */
  constructor(
    unit: TapeUnit,
    positioning: TapePositioning,
    { isDoubtful, maxBytes }: { isDoubtful: boolean; maxBytes: number },
  ) {
    this.#unit = unit;
    this.#positioning = positioning;
    this.#isDoubtful = isDoubtful;
    this.#maxBytes = maxBytes;
  }

  async read(into: Uint8Array): Promise<ReadResult> {
    // No block is longer, so nothing more need be asked for.
    const room = Buffer.from(into.buffer, into.byteOffset, Math.min(into.length, this.#maxBytes));
    const target = this.#target(room);
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
    const { lengthBytes, arrivedBytes } = this.#isDoubtful
      ? await this.#settle(outcome, target, room)
      : { lengthBytes: lengthOf(outcome, target.length), arrivedBytes: outcome.data.length };
    this.#positioning.passedBlock();
    this.#lastBytes = lengthBytes;
    if (lengthBytes > into.length) return { kind: 'oversize', lengthBytes };
    if (arrivedBytes < lengthBytes) {
      throw new StatusError('mediaReadError', `${arrivedBytes} of ${lengthBytes} bytes of a block`);
    }
    return { kind: 'block', lengthBytes, crc32: null };
  }

  #target(room: Buffer): Buffer {
    if (!this.#isDoubtful) return room;
    if (!this.#tellsLengths) {
      const bytes = Math.min(room.length + SPARE_BYTES, BLOCK_BYTES_MAX);
      return Buffer.allocUnsafe(bytes);
    }
    // Blocks of one file mostly have one length.
    const isGuess = this.#lastBytes > 0 && this.#lastBytes < room.length;
    return isGuess ? room.subarray(0, this.#lastBytes) : room;
  }

  /** The length of the block, and its data in `room`, whatever the device made of the first try. */
  async #settle(outcome: DeviceOutcome, target: Buffer, room: Buffer): Promise<Arrived> {
    this.#tellsLengths ||= outcome.sense?.incorrectLength ?? false;
    const lengthBytes = lengthOf(outcome, target.length);
    if (outcome.sense?.incorrectLength) return this.#readAgain(lengthBytes, room);
    const isPlaced = target.buffer === room.buffer;
    if (!isPlaced) target.copy(room, 0, 0, Math.min(lengthBytes, room.length));
    const mayBeCut = !isPlaced && lengthBytes === target.length;
    return mayBeCut
      ? this.#readLonger(lengthBytes, room)
      : { lengthBytes, arrivedBytes: lengthBytes };
  }

  /** With room for ever more, until there is room left. */
  async #readLonger(bytes: number, room: Buffer): Promise<Arrived> {
    for (let asked = bytes; ; ) {
      asked = Math.min(this.#maxBytes, asked * LONGER);
      const { lengthBytes, arrivedBytes } = await this.#readAgain(asked, room);
      if (lengthBytes !== asked || asked === this.#maxBytes) return { lengthBytes, arrivedBytes };
    }
  }

  /** Back over the block, and through it once more with another length. */
  async #readAgain(bytes: number, room: Buffer): Promise<Arrived> {
    await this.#unit.space(SPACE.blocks, -1);
    const fits = bytes <= room.length;
    const target = fits ? room.subarray(0, bytes) : Buffer.allocUnsafe(bytes);
    const outcome = await this.#unit.read(target);
    const { sense } = outcome;
    if (sense && !sense.incorrectLength) {
      throw new StatusError('mediaReadError', describeSense(sense));
    }
    if (!fits) target.copy(room, 0, 0, Math.min(outcome.data.length, room.length));
    return { lengthBytes: lengthOf(outcome, bytes), arrivedBytes: outcome.data.length };
  }
}

interface Arrived {
  readonly lengthBytes: number;
  readonly arrivedBytes: number;
}

/** The sense tells the length better than the residual, which some devices get wrong beside a sense. */
function lengthOf({ sense, data, residualBytes }: DeviceOutcome, requestedBytes: number): number {
  if (!sense?.incorrectLength) return data.length;
  const lengthBytes = requestedBytes - (sense.information ?? residualBytes);
  if (lengthBytes > 0 && lengthBytes <= BLOCK_BYTES_MAX) return lengthBytes;
  throw new StatusError('mediaReadError', `the drive tells of a block of ${lengthBytes} bytes`);
}
