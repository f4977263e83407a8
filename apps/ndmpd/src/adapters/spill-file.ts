// Records that are too many for memory: the newest megabyte of them lies in memory, the rest in a
// temporary file without a name, which is gone with the process.

import { randomUUID } from 'node:crypto';
import { closeSync, constants, openSync, readSync, unlinkSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const TAIL_BYTES = 1024 * 1024;
/** Records start at multiples of this, so that 32 bits say where: 32 GiB. */
const UNIT_BYTES = 8;
const UNITS_MAX = 2 ** 32;
const LENGTH_BYTES = 4;
/** What a read fetches at first: most records whole. */
const GUESS_BYTES = 256;
const CREATE = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | constants.O_NOFOLLOW;

export class SpillFile {
  readonly #tail = Buffer.allocUnsafeSlow(TAIL_BYTES);
  readonly #guess = Buffer.allocUnsafeSlow(GUESS_BYTES);
  readonly #directory: string;
  #fd: number | undefined;
  /** Where the tail begins. */
  #written = 0;
  #filled = 0;

  constructor(directory: string = tmpdir()) {
    this.#directory = directory;
  }

  /** Where the record lies, for `read`. Throws the errno of a full or missing disk. */
  append(record: Buffer): number {
    const bytes = Math.ceil((LENGTH_BYTES + record.length) / UNIT_BYTES) * UNIT_BYTES;
    const position = this.#written + this.#filled;
    const isTooMuch = bytes > TAIL_BYTES || position / UNIT_BYTES >= UNITS_MAX;
    if (isTooMuch) throw Object.assign(new Error('too much to spill'), { code: 'EFBIG' });
    if (this.#filled + bytes > TAIL_BYTES) this.#flush();
    const at = this.#filled;
    this.#tail.writeUInt32LE(record.length, at);
    record.copy(this.#tail, at + LENGTH_BYTES);
    this.#filled += bytes;
    return (this.#written + at) / UNIT_BYTES;
  }

  /** A record of `append`, in a buffer of its own. Throws the errno of a disk that fails. */
  read(unit: number): Buffer {
    const position = unit * UNIT_BYTES;
    if (position >= this.#written) {
      const at = position - this.#written;
      const end = at + LENGTH_BYTES + this.#tail.readUInt32LE(at);
      return Buffer.from(this.#tail.subarray(at + LENGTH_BYTES, end));
    }
    const known = this.#readAt(this.#guess, position);
    const length = this.#guess.readUInt32LE(0);
    const record = Buffer.allocUnsafe(length);
    const copied = this.#guess.copy(record, 0, LENGTH_BYTES, known);
    const rest = record.subarray(copied);
    if (rest.length > 0 && this.#readAt(rest, position + known) < rest.length) throw lost();
    return record;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #readAt(into: Buffer, position: number): number {
    if (this.#fd === undefined) throw lost();
    const read = readSync(this.#fd, into, 0, into.length, position);
    if (read < LENGTH_BYTES && read < into.length) throw lost();
    return read;
  }

  #flush(): void {
    this.#fd ??= openUnnamed(this.#directory);
    for (let done = 0; done < this.#filled; ) {
      const rest = this.#filled - done;
      done += writeSync(this.#fd, this.#tail, done, rest, this.#written + done);
    }
    this.#written += this.#filled;
    this.#filled = 0;
  }
}

function openUnnamed(directory: string): number {
  const path = join(directory, `ndmpd-${randomUUID()}`);
  const fd = openSync(path, CREATE, 0o600);
  unlinkSync(path);
  return fd;
}

function lost(): Error {
  return Object.assign(new Error('a spilled record is gone'), { code: 'EIO' });
}
