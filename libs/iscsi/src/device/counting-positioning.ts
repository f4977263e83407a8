// Positioning with a device that cannot tell where it stands, and whose SPACE over blocks passes filemarks without a word:
// what is left is to rewind, to space over filemarks ahead, and to count blocks by reading a byte of each.

import type { LocateTarget, Position, SpaceResult } from '@tapestry/storage';
import { isEndOfData, SENSE_KEY } from '../scsi/sense.ts';
import { SPACE } from '../scsi/ssc.ts';
import { positionError } from './device-positioning.ts';
import { FileMap } from './file-map.ts';
import type { TapePositioning } from './tape-positioning.ts';
import type { TapeUnit } from './tape-unit.ts';

interface Place {
  readonly file: number;
  /** Null at the end of data, as long as nobody asked. */
  readonly block: number | null;
  readonly object: number | null;
}

const BEGINNING: Place = { file: 0, block: 0, object: 0 };

export class CountingPositioning implements TapePositioning {
  readonly #unit: TapeUnit;
  readonly #map = new FileMap();
  readonly #byte = Buffer.alloc(1);
  #at: Place | null = null;
  #isLost = false;

  constructor(unit: TapeUnit) {
    this.#unit = unit;
  }

  async require(): Promise<void> {
    if (this.#isLost)
      throw positionError('the position was lost, and the drive cannot tell it: rewind');
    if (this.#at === null) await this.rewind();
  }

  passedBlock(): void {
    const at = this.#at;
    if (at) this.#at = { file: at.file, block: plusOne(at.block), object: plusOne(at.object) };
  }

  passedFilemark(): void {
    const at = this.#at;
    if (!at) return;
    const object = plusOne(at.object);
    this.#at = { file: at.file + 1, block: 0, object };
    if (object !== null) this.#map.learn(at.file + 1, object);
  }

  async passDamagedBlock(): Promise<void> {
    this.lose();
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
    const { file, block, object } = await this.#settled();
    return { object, file, block };
  }

  async rewind(): Promise<void> {
    await this.#unit.rewind();
    this.#isLost = false;
    this.#at = BEGINNING;
  }

  async locate(target: LocateTarget): Promise<void> {
    if (target === 'endOfData') {
      if (this.#isLost) await this.rewind();
      await this.require();
      while (await this.#passMark());
    } else if ('object' in target) {
      await this.#locateObject(target.object);
    } else {
      await this.#locateBlock(target.file, target.block);
    }
  }

  async spaceFilemarks(count: number): Promise<SpaceResult> {
    await this.require();
    if (count < 0) return this.#backOverMarks(-count);
    let spaced = 0;
    while (spaced < count && (await this.#passMark())) spaced += 1;
    return { spaced, stoppedAt: spaced < count ? 'endOfData' : null };
  }

  async spaceBlocks(count: number): Promise<SpaceResult> {
    await this.require();
    if (count < 0) return this.#backOverBlocks(-count);
    for (let spaced = 0; spaced < count; spaced++) {
      const met = await this.#passObject();
      if (met !== 'block') return { spaced, stoppedAt: met };
    }
    return { spaced: count, stoppedAt: null };
  }

  async #backOverMarks(count: number): Promise<SpaceResult> {
    const from = this.#here().file;
    if (count <= from) await this.#locateEndOf(from - count);
    else await this.rewind();
    return count <= from
      ? { spaced: count, stoppedAt: null }
      : { spaced: from, stoppedAt: 'beginning' };
  }

  async #backOverBlocks(count: number): Promise<SpaceResult> {
    const { file, block } = await this.#settled();
    if (count <= block) {
      await this.#locateBlock(file, block - count);
      return { spaced: count, stoppedAt: null };
    }
    if (file === 0) await this.rewind();
    else await this.#locateEndOf(file - 1);
    return { spaced: block, stoppedAt: file === 0 ? 'beginning' : 'filemark' };
  }

  /** Before the filemark that ends a file. */
  async #locateEndOf(file: number): Promise<void> {
    const known = this.#map.blocksIn(file);
    if (known !== undefined) return this.#locateBlock(file, known);
    await this.#locateFile(file);
    let blocks = 0;
    while ((await this.#passObject()) === 'block') blocks += 1;
    await this.#locateFile(file);
    await this.#overBlocks(blocks);
  }

  async #locateObject(object: number): Promise<void> {
    const file = this.#isLost ? undefined : this.#map.fileOf(object);
    if (file !== undefined) {
      return this.#locateBlock(file, object - (this.#map.start(file) ?? 0));
    }
    await this.rewind();
    while (this.#here().object !== object) {
      if ((await this.#passObject()) === 'endOfData') {
        throw positionError(`object ${object} is not on the medium`);
      }
    }
  }

  async #locateBlock(file: number, block: number): Promise<void> {
    await this.#locateFile(file);
    const known = this.#map.blocksIn(file);
    if (known !== undefined && block <= known) return this.#overBlocks(block);
    for (let passed = 0; passed < block; passed++) {
      if ((await this.#passObject()) !== 'block') {
        throw positionError(`file ${file} has fewer than ${block} blocks`);
      }
    }
  }

  /** To the first block of a file. */
  async #locateFile(file: number): Promise<void> {
    const isAhead = !this.#isLost && this.#at !== null && this.#at.file < file;
    if (!isAhead) await this.rewind();
    while (this.#here().file < file) {
      if (!(await this.#passMark())) throw positionError(`the medium has no file ${file}`);
    }
  }

  /** Over blocks that are known to be there, none of them a filemark. */
  async #overBlocks(count: number): Promise<void> {
    if (count === 0) return;
    await this.#unit.space(SPACE.blocks, count);
    const { file, block, object } = this.#here();
    this.#at = { file, block: plus(block, count), object: plus(object, count) };
  }

  /** Behind the next filemark; false at the end of data. */
  async #passMark(): Promise<boolean> {
    const { sense } = await this.#unit.space(SPACE.filemarks, 1);
    const { file } = this.#here();
    const isEnd = sense !== null && isEndOfData(sense);
    this.#at = isEnd
      ? { file, block: null, object: null }
      : { file: file + 1, block: 0, object: this.#map.start(file + 1) ?? null };
    return !isEnd;
  }

  async #passObject(): Promise<'block' | 'filemark' | 'endOfData'> {
    const { sense } = await this.#unit.read(this.#byte);
    if (sense && isEndOfData(sense)) return 'endOfData';
    if (sense?.key === SENSE_KEY.mediumError) throw positionError('a damaged block is in the way');
    if (sense?.filemark) this.passedFilemark();
    else this.passedBlock();
    return sense?.filemark ? 'filemark' : 'block';
  }

  /** The place with its block: at the end of data the file is counted through once more. */
  async #settled(): Promise<Place & { block: number }> {
    await this.require();
    const at = this.#here();
    if (at.block !== null) return { ...at, block: at.block };
    await this.#locateFromStart(at.file);
    while ((await this.#passObject()) === 'block');
    const settled = this.#here();
    return { ...settled, block: settled.block ?? 0 };
  }

  async #locateFromStart(file: number): Promise<void> {
    await this.rewind();
    await this.#locateFile(file);
  }

  #here(): Place {
    return this.#at ?? BEGINNING;
  }
}

function plus(number: number | null, count: number): number | null {
  return number === null ? null : number + count;
}

function plusOne(number: number | null): number | null {
  return plus(number, 1);
}
