// Times to set and small files to make in one directory, as one frame for the attribute helper: each a name that ends in a
// zero byte, the times as the kernel takes them, and for a file a counted rest: mode to make it with, owner and mode to
// give it (NONE for neither), data.

import type { Owner } from '../core/ownership.ts';

const FRAME_BYTES = 64 * 1024;
const NAME_BYTES_MAX = 255;
const TIMES_BYTES = 32;
const GIVEN_BYTES = 16;
const NONE = 0xffff_ffff;
/** Tells utimensat to leave a time as it is. */
const OMIT_TIME = 0x3fff_fffe;
const TWO_TO_32 = 2 ** 32;
/** Larger ones would cost more on their way than their making saves here. */
export const FRAMED_DATA_BYTES_MAX: number = 8 * 1024;

export interface FileTime {
  /** Of the modification; below zero before 1970, with a fraction that still counts upwards. */
  readonly seconds: number;
  readonly nanoseconds: number;
  /** Left as it is where it is not given. */
  readonly accessed?: { readonly seconds: number; readonly nanoseconds: number } | undefined;
}

/** An ordinary file to be made. */
export interface NewFile extends FileTime {
  /** While it is written; stays where nothing is given. */
  readonly firstMode: number;
  readonly given: { readonly owner: Owner | undefined; readonly mode: number } | undefined;
  /** Holds the data from `dataAt` on. */
  readonly bytes: Buffer;
  readonly dataAt: number;
  /** At most FRAMED_DATA_BYTES_MAX. */
  readonly size: number;
}

export class FileFrame {
  readonly #frame = Buffer.allocUnsafeSlow(
    FRAME_BYTES + NAME_BYTES_MAX + 1 + TIMES_BYTES + 4 + GIVEN_BYTES + FRAMED_DATA_BYTES_MAX,
  );
  #end = 0;

  get isEmpty(): boolean {
    return this.#end === 0;
  }

  get isFull(): boolean {
    return this.#end >= FRAME_BYTES;
  }

  addTime(name: Buffer, time: FileTime): void {
    this.#addNameAndTimes(name, time);
    this.#end = this.#frame.writeUInt32BE(0, this.#end);
  }

  addFile(name: Buffer, file: NewFile): void {
    this.#addNameAndTimes(name, file);
    const frame = this.#frame;
    let at = frame.writeUInt32BE(GIVEN_BYTES + file.size, this.#end);
    at = frame.writeUInt32BE(file.firstMode, at);
    at = frame.writeUInt32BE(file.given?.owner?.uid ?? NONE, at);
    at = frame.writeUInt32BE(file.given?.owner?.gid ?? NONE, at);
    at = frame.writeUInt32BE(file.given?.mode ?? NONE, at);
    this.#end = at + file.bytes.copy(frame, at, file.dataAt, file.dataAt + file.size);
  }

  /** What was added since the last time. */
  take(): Buffer {
    const taken = Buffer.from(this.#frame.subarray(0, this.#end));
    this.#end = 0;
    return taken;
  }

  #addNameAndTimes(name: Buffer, { seconds, nanoseconds, accessed }: FileTime): void {
    const frame = this.#frame;
    const at = this.#end + name.copy(frame, this.#end, 0, NAME_BYTES_MAX);
    frame[at] = 0;
    this.#addTime(at + 1, accessed?.seconds ?? 0, accessed?.nanoseconds ?? OMIT_TIME);
    this.#addTime(at + 1 + TIMES_BYTES / 2, seconds, nanoseconds);
    this.#end = at + 1 + TIMES_BYTES;
  }

  #addTime(at: number, seconds: number, nanoseconds: number): void {
    const frame = this.#frame;
    const high = Math.floor(seconds / TWO_TO_32);
    frame.writeUInt32LE(seconds - high * TWO_TO_32, at);
    frame.writeInt32LE(high, at + 4);
    frame.writeUInt32LE(nanoseconds, at + 8);
    frame.writeUInt32LE(0, at + 12);
  }
}
