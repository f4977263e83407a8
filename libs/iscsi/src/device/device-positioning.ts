// Positioning with a device that knows where it stands (READ POSITION, long form) and finds objects (LOCATE). The device
// is asked after every move: where it is counts, not what was expected.

import { StatusError } from '@tapestry/status';
import type { LocateTarget, Position, SpaceResult } from '@tapestry/storage';
import type { Sense } from '../scsi/sense.ts';
import { type LongPosition, SPACE, SPACE_MAX } from '../scsi/ssc.ts';
import { FileMap } from './file-map.ts';
import type { TapePositioning } from './tape-positioning.ts';
import type { TapeUnit } from './tape-unit.ts';

export class DevicePositioning implements TapePositioning {
  readonly #unit: TapeUnit;
  readonly #map = new FileMap();
  /** Null when it is lost, or not known yet. */
  #at: LongPosition | null = null;
  #isLost = false;

  constructor(unit: TapeUnit) {
    this.#unit = unit;
  }

  async require(): Promise<void> {
    if (this.#isLost) throw positionError('the position was lost: ask for it, or rewind');
    if (this.#at === null) await this.#ask();
  }

  passedBlock(): void {
    if (this.#at) this.#at = { object: this.#at.object + 1, file: this.#at.file };
  }

  passedFilemark(): void {
    if (!this.#at) return;
    this.#at = { object: this.#at.object + 1, file: this.#at.file + 1 };
    this.#map.learn(this.#at.file, this.#at.object);
  }

  /** Whether a drive stands before or behind a block that it could not read is its own affair. */
  async passDamagedBlock(): Promise<void> {
    const before = this.#at;
    const at = await this.#ask();
    if (before === null || at.object !== before.object) return;
    await this.#unit.space(SPACE.blocks, 1);
    await this.#ask();
  }

  cut(): void {
    if (this.#at) this.#map.cutBehind(this.#at.file);
  }

  lose(): void {
    this.#at = null;
    this.#isLost = true;
    this.#map.clear();
  }

  async position(): Promise<Position> {
    this.#isLost = false;
    const before = this.#at;
    const at = await this.#ask();
    // Somebody moved the tape behind our back: what was learnt may be of another medium.
    if (before && before.object !== at.object) this.#map.clear();
    const start = await this.#startOf(at);
    return { object: at.object, file: at.file, block: at.object - start };
  }

  async rewind(): Promise<void> {
    await this.#unit.rewind();
    this.#isLost = false;
    const { object } = await this.#ask();
    if (object !== 0) throw positionError(`the drive says object ${object} after a rewind`);
  }

  async locate(target: LocateTarget): Promise<void> {
    if (target === 'endOfData') {
      await this.#unit.space(SPACE.endOfData, 0);
      this.#isLost = false;
      await this.#ask();
    } else if ('object' in target) {
      await this.#locateObject(target.object);
    } else {
      await this.#locateFile(target.file);
      if (target.block > 0) await this.#locateBlock(target.file, target.block);
    }
  }

  async spaceFilemarks(count: number): Promise<SpaceResult> {
    await this.require();
    const from = this.#at?.file ?? 0;
    let sense: Sense | null = null;
    for (let left = count; left !== 0 && sense === null; ) {
      const step = clamp(left);
      ({ sense } = await this.#unit.space(SPACE.filemarks, step));
      left -= step;
    }
    const at = await this.#ask();
    const spaced = Math.abs(at.file - from);
    if (spaced === count) this.#map.learn(at.file, at.object);
    const isShort = spaced < Math.abs(count);
    return { spaced, stoppedAt: isShort ? (count > 0 ? 'endOfData' : 'beginning') : null };
  }

  async spaceBlocks(count: number): Promise<SpaceResult> {
    await this.require();
    let spaced = 0;
    while (spaced < Math.abs(count)) {
      const step = clamp(count - Math.sign(count) * spaced);
      const before = this.#at as LongPosition;
      const { sense } = await this.#unit.space(SPACE.blocks, step);
      const at = await this.#ask();
      const moved = Math.abs(at.object - before.object);
      const marks = Math.abs(at.file - before.file);
      if (sense === null && moved === Math.abs(step) && marks === 0) spaced += moved;
      else if (sense === null) return await this.#rejectSpacing(before);
      else return this.#stopped(sense, spaced + moved - marks, count);
    }
    return { spaced, stoppedAt: null };
  }

  #stopped(sense: Sense, spaced: number, count: number): SpaceResult {
    if (sense.filemark) {
      const at = this.#at as LongPosition;
      if (count > 0) this.#map.learn(at.file, at.object);
      return { spaced, stoppedAt: 'filemark' };
    }
    return { spaced, stoppedAt: count > 0 ? 'endOfData' : 'beginning' };
  }

  /** A device whose SPACE passes filemarks without a word cannot be trusted with block numbers. */
  async #rejectSpacing(before: LongPosition): Promise<never> {
    await this.#locateObject(before.object);
    throw positionError('the drive does not stop at filemarks when it spaces over blocks');
  }

  async #locateObject(object: number): Promise<void> {
    const isThere = await this.#unit.locate(object);
    this.#isLost = false;
    const at = await this.#ask();
    if (!isThere || at.object !== object) {
      throw positionError(`object ${object} is not on the medium, which stands at ${at.object}`);
    }
  }

  /** To the first block of a file: from the beginning, or over the filemarks ahead. */
  async #locateFile(file: number): Promise<void> {
    const known = this.#isLost ? undefined : this.#map.start(file);
    if (file === 0) return this.rewind();
    if (known !== undefined) return this.#locateObject(known);
    if (this.#isLost || this.#at === null || this.#at.file >= file) await this.rewind();
    const ahead = file - (this.#at?.file ?? 0);
    const { spaced } = await this.spaceFilemarks(ahead);
    if (spaced < ahead) throw positionError(`the medium has no file ${file}`);
  }

  async #locateBlock(file: number, block: number): Promise<void> {
    const start = (this.#at as LongPosition).object;
    await this.#locateObject(start + block);
    if (this.#at?.file !== file) throw positionError(`file ${file} has fewer than ${block} blocks`);
  }

  /** The first object of the file that the tape stands in, found by the filemark before it. */
  async #startOf(at: LongPosition): Promise<number> {
    const known = this.#map.start(at.file);
    if (known !== undefined && known <= at.object) return known;
    await this.#unit.space(SPACE.filemarks, -1);
    const mark = await this.#ask();
    if (mark.file !== at.file - 1) throw positionError('the drive lost count of its filemarks');
    this.#map.learn(at.file, mark.object + 1);
    await this.#locateObject(at.object);
    return mark.object + 1;
  }

  async #ask(): Promise<LongPosition> {
    const at = await this.#unit.readPosition();
    if (at === null) {
      this.lose();
      throw positionError('the drive does not know where it stands');
    }
    this.#at = at;
    return at;
  }
}

function clamp(count: number): number {
  return Math.max(-SPACE_MAX, Math.min(SPACE_MAX, count));
}

export function positionError(detail: string): StatusError {
  return new StatusError('mediaPositionError', detail);
}
