// Reads a whole cartridge, object by object, and checks everything that its files say about each: where the record lies, its
// number, its sums, and that it follows the one before. Changes nothing; a cartridge may be in use meanwhile.

import { closeSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { type CartridgeInfo, uuidBytes } from './cartridge-info.ts';
import { loadCartridge } from './cartridge-load.ts';
import type { RecordPlace } from './medium-map.ts';
import { decodeHeader, HEADER_BYTES, RECORD_TYPE } from './record-header.ts';
import { type ChainedSegment, segmentPath } from './segment-chain.ts';

export interface WalkedObject {
  readonly object: number;
  /** Filemarks before it. */
  readonly file: number;
  readonly mark: boolean;
  /** The block's bytes, until the next object is asked for; empty for a filemark or a block that cannot be read. */
  readonly payload: Buffer;
  /** What is wrong with it; null when nothing is. */
  readonly damage: string | null;
  /** Bytes of the cartridge that were read up to here, and that it has. */
  readonly doneBytes: number;
  readonly totalBytes: number;
}

export interface CartridgeWalk {
  readonly info: CartridgeInfo;
  readonly objectCount: number;
  readonly fileCount: number;
  readonly usedBytes: number;
  /** Why the cartridge is not written any more; null when all is well. */
  readonly suspect: string | null;
  readonly objects: Iterable<WalkedObject>;
}

/** Throws `mediaOpenError` when the folder holds no cartridge. */
export function walkCartridge(dir: string): CartridgeWalk {
  const { info, chain, map, suspect } = loadCartridge(dir);
  const { objectCount, fileCount, usedBytes } = map;
  const segments = new Map(chain.segments.map((segment) => [segment.segment, segment]));
  function* objects(): Generator<WalkedObject> {
    const reader = new RecordReader(dir, uuidBytes(info.uuid), segments);
    let doneBytes = 0;
    try {
      for (let object = 0; object < objectCount; object++) {
        const place = map.find(object);
        const file = map.filemarksBefore(object);
        const { payload, damage } = place
          ? reader.read(place, object, file)
          : { payload: Buffer.alloc(0), damage: 'lost with its segment' };
        doneBytes += HEADER_BYTES + payload.length;
        const mark = place?.mark ?? map.isMark(object);
        yield { object, file, mark, payload, damage, doneBytes, totalBytes: usedBytes };
      }
    } finally {
      reader.close();
    }
  }
  return { info, objectCount, fileCount, usedBytes, suspect, objects: objects() };
}

class RecordReader {
  readonly #dir: string;
  readonly #uuid: Buffer;
  readonly #segments: ReadonlyMap<number, ChainedSegment>;
  #buffer = Buffer.allocUnsafe(64 * 1024);
  #open: { readonly segment: number; readonly fd: number } | null = null;
  /** The record before, when it was intact and in the same segment. */
  #before: { readonly offset: number; readonly crc: number } | null = null;

  constructor(dir: string, uuid: Buffer, segments: ReadonlyMap<number, ChainedSegment>) {
    this.#dir = dir;
    this.#uuid = uuid;
    this.#segments = segments;
  }

  read(
    place: RecordPlace,
    object: number,
    file: number,
  ): { payload: Buffer; damage: string | null } {
    const nothing = Buffer.alloc(0);
    const length = HEADER_BYTES + place.payloadBytes;
    if (length > this.#buffer.length) this.#buffer = Buffer.allocUnsafe(length);
    let got: number;
    try {
      got = readSync(this.#fd(place.segment), this.#buffer, 0, length, place.offset);
    } catch (error) {
      this.#before = null;
      return { payload: nothing, damage: (error as Error).message };
    }
    const header = decodeHeader(this.#buffer.subarray(0, got));
    const before = this.#before;
    this.#before = header ? { offset: place.offset, crc: header.crc } : null;
    if (!header) return { payload: nothing, damage: 'its header is damaged' };
    const type = place.mark ? RECORD_TYPE.filemark : RECORD_TYPE.data;
    const fits =
      header.type === type &&
      header.object === object &&
      header.file === file &&
      header.payloadBytes === place.payloadBytes &&
      header.generation === this.#segments.get(place.segment)?.generation &&
      this.#uuid.subarray(0, 8).equals(header.cartridgeTag);
    if (!fits) return { payload: nothing, damage: 'its header belongs to another object' };
    if (got < length) return { payload: nothing, damage: 'it is cut short' };
    const payload = this.#buffer.subarray(HEADER_BYTES, length);
    if (!place.mark && crc32(payload) !== header.payloadCrc) {
      return { payload: nothing, damage: 'its checksum does not match' };
    }
    const follows =
      !before || (header.previousOffset === before.offset && header.previousCrc === before.crc);
    return { payload, damage: follows ? null : 'it does not follow the record before' };
  }

  #fd(segment: number): number {
    if (this.#open?.segment !== segment) {
      this.close();
      this.#before = null;
      this.#open = { segment, fd: openSync(segmentPath(this.#dir, segment), 'r') };
    }
    return this.#open.fd;
  }

  close(): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = null;
  }
}
