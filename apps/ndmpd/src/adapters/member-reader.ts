// Reads an image member by member from a stream source.

import { DUMP_DIRECTORY_BYTES_MAX } from '../core/dump-directory.ts';
import {
  type DecodedMember,
  decodeHeader,
  decodeMember,
  decodePax,
  type Extended,
  ImageError,
  type RawHeader,
  SparseMapReader,
} from '../core/tar-decode.ts';
import { BLOCK_BYTES, type Extent, paddingOf } from '../core/tar-encode.ts';
import { decodePlain, type PlainFile } from '../core/tar-plain-decode.ts';
import type { StreamSource } from './stream-source.ts';

/** The longest list of a directory, and what else may stand beside it. */
const EXTENDED_BYTES_MAX = DUMP_DIRECTORY_BYTES_MAX + 16 * 1024 * 1024;

export interface PlacedMember {
  readonly member: DecodedMember;
  /** Offset of its first header block. */
  readonly offset: number;
}

export class MemberReader {
  readonly #source: StreamSource;
  #dataLeft = 0;
  #padding = 0;

  constructor(source: StreamSource) {
    this.#source = source;
  }

  /** Starts reading members at an offset. */
  async seek(offset: number): Promise<void> {
    this.#dataLeft = 0;
    this.#padding = 0;
    await this.#source.seek(offset);
  }

  /** The next member; what is left of the last one's data is skipped. Undefined at the image's end. */
  async next(): Promise<PlacedMember | undefined> {
    await this.#source.skip(this.#dataLeft + this.#padding);
    const offset = this.#source.position;
    const extended: Extended = { pax: new Map() };
    for (;;) {
      const header = decodeHeader(await this.#source.read(BLOCK_BYTES));
      if (header === undefined) return undefined;
      if (await this.#takeExtended(header, extended)) continue;
      const member = decodeMember(header, extended);
      this.#dataLeft = member.storedBytes;
      this.#padding = paddingOf(member.storedBytes);
      this.#source.plan(this.#source.position + this.#dataLeft + this.#padding);
      return { member, offset };
    }
  }

  /**
   * The next member, passed over at once, when it is an ordinary file that `takes` all of it from the buffer given.
   * "short" when bytes are missing: try again once the source can grow. Undefined, with nothing passed over, for
   * anything else.
   */
  plain(takes: (bytes: Buffer, file: PlainFile) => boolean): 'taken' | 'short' | undefined {
    const source = this.#source;
    while (this.#dataLeft === 0) {
      const { ready, readyAt, readyEnd } = source;
      const start = readyAt + this.#padding;
      const file = start > readyEnd ? 0 : decodePlain(ready, start, readyEnd);
      if (file === undefined) return undefined;
      if (typeof file !== 'number') {
        if (!takes(ready, file)) return undefined;
        source.advance(file.end - readyAt);
        this.#padding = 0;
        return 'taken';
      }
      if (!source.grow(this.#padding + file)) return 'short';
    }
    return undefined;
  }

  /**
   * Feeds the current member's data to `write`, piece by piece with the position in the file. Stops
   * calling, but goes on reading, once `write` returns false.
   */
  async data(
    member: DecodedMember,
    write: (piece: Buffer, position: number) => boolean,
  ): Promise<void> {
    const whole: Extent = { offset: 0, length: member.size };
    const extents = member.isSparse ? await this.#sparseExtents(member) : [whole];
    for (const extent of extents) {
      let done = 0;
      while (done < extent.length) {
        if (this.#dataLeft === 0) throw new ImageError('a sparse map promises more than is stored');
        const wanted = Math.min(extent.length - done, this.#dataLeft);
        const piece = await this.#source.chunk(wanted);
        this.#dataLeft -= piece.length;
        if (!write(piece, extent.offset + done)) return;
        done += piece.length;
      }
    }
  }

  async #takeExtended(header: RawHeader, extended: Extended): Promise<boolean> {
    if (!['x', 'g', 'L', 'K'].includes(header.flag)) return false;
    if (header.size > EXTENDED_BYTES_MAX) throw new ImageError('an extended header is too long');
    const { position } = this.#source;
    this.#source.plan(position + header.size + paddingOf(header.size) + BLOCK_BYTES);
    const body = await this.#source.read(header.size);
    await this.#source.skip(paddingOf(header.size));
    const name = (): Buffer =>
      Buffer.from(body.subarray(0, (body.indexOf(0) + 1 || 1 + body.length) - 1));
    if (header.flag === 'L') extended.longName = name();
    else if (header.flag === 'K') extended.longTarget = name();
    else if (header.flag === 'x') {
      for (const [key, value] of decodePax(body)) extended.pax.set(key, value);
    }
    return true;
  }

  async #sparseExtents(member: DecodedMember): Promise<Extent[]> {
    const map = new SparseMapReader();
    for (;;) {
      if (this.#dataLeft < BLOCK_BYTES) throw new ImageError('a sparse map is cut off');
      const block = await this.#source.read(BLOCK_BYTES);
      this.#dataLeft -= BLOCK_BYTES;
      if (map.push(block)) return map.extents(member.size);
    }
  }
}
