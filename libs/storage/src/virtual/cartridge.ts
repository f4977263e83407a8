// One loaded cartridge: reads and writes by object number, capacity, rotation of segments, checkpoints.
// Only the owner that its fence confirms changes it. A segment file is written by the session that made it and never
// again, and only its acknowledged or intact part counts: a late write of an owner that lost the drive changes nothing.

import { closeSync, openSync, readvSync, statfsSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { StatusError } from '@tapestry/status';
import type { ReadResult, WriteResult } from '../drive.ts';
import { replaceFile, syncFile } from '../durable-file.ts';
import { type FileLayer, hostFiles, isDiskFull, writeAll } from '../file-layer.ts';
import { fitsHost } from '../host-room.ts';
import {
  type CartridgeInfo,
  type CartridgeMemory,
  readCartridgeMemory,
  uuidBytes,
  writeCartridgeMemory,
} from './cartridge-info.ts';
import { type LoadedCartridge, loadCartridge } from './cartridge-load.ts';
import { encodeCheckpoint, encodeIndexHeader } from './index-log.ts';
import type { MediumMap, RecordPlace } from './medium-map.ts';
import {
  decodeHeader,
  HEADER_BYTES,
  NO_SEGMENT,
  SEGMENT_START_BYTES,
  type SegmentStart,
  storedBytes,
} from './record-header.ts';
import { segmentPath } from './segment-chain.ts';
import { type NewRecord, SegmentWriter } from './segment-writer.ts';

/** The right to use the drive. */
export interface Fence {
  readonly epoch: bigint;
  /** Throws `staleGrant` when another owner took over. Cheap: called for every batch. */
  check(): void;
  /** Runs `work` while no other owner can take over, after `check`. */
  exclusively<T>(work: () => T): T;
}

export interface CartridgeOptions {
  /** Early warning is given when the host has less room than this. Default 64 MiB. */
  readonly hostReserveBytes?: number;
  /** What changes files: a full, failing or recording disk, for tests. */
  readonly files?: FileLayer;
}

const HOST_RESERVE_BYTES = 64 * 1024 * 1024;
/** How much is written between two looks at the room on the host. */
const HOST_CHECK_BYTES = 16 * 1024 * 1024;

export class Cartridge {
  readonly #dir: string;
  readonly #fence: Fence;
  readonly #options: CartridgeOptions;
  readonly #files: FileLayer;
  readonly #loaded: LoadedCartridge;
  readonly #memory: CartridgeMemory;
  readonly #uuid: Buffer;
  #writer: SegmentWriter | null = null;
  readonly #segmentsOnDisk: Set<number>;
  #lastSegment: number;
  #generation: number;
  /** index.log while it can be appended to: what is not in it is found by reading. */
  #indexFd: number | null = null;
  #indexedObjects = 0;
  #synced = true;
  /** A cut that may have been made or not: until the cartridge is loaded again nobody can say what is on it. */
  #unsure: unknown = null;
  #reading: { segment: number; fd: number } | null = null;
  readonly #readHeader = Buffer.alloc(HEADER_BYTES);
  #bytesToHostCheck = 0;
  #hostFull = false;
  #hostFreeBytes = 0;

  constructor(dir: string, fence: Fence, options: CartridgeOptions = {}) {
    this.#dir = dir;
    this.#fence = fence;
    this.#options = options;
    this.#files = options.files ?? hostFiles;
    this.#loaded = loadCartridge(dir);
    this.#uuid = uuidBytes(this.#loaded.info.uuid);
    const { segments, numbers } = this.#loaded.chain;
    this.#segmentsOnDisk = new Set(numbers);
    this.#lastSegment = numbers.at(-1) ?? -1;
    this.#generation = segments.at(-1)?.generation ?? 0;
    this.#memory = readCartridgeMemory(dir);
    this.#memory.loads += 1;
  }

  get info(): CartridgeInfo {
    return this.#loaded.info;
  }

  get map(): MediumMap {
    return this.#loaded.map;
  }

  get suspect(): string | null {
    return this.#loaded.suspect;
  }

  get pastEarlyWarning(): boolean {
    const { capacityBytes, earlyWarningBytes } = this.info;
    return this.#hostFull || this.map.usedBytes >= capacityBytes - earlyWarningBytes;
  }

  /** Reads one object, which must be before the end of data. Damage fails with 85. */
  read(object: number, into: Uint8Array): ReadResult {
    this.#fence.check();
    const place = this.map.find(object);
    if (!place) throw this.#readError(object, 'the object is lost');
    const wanted = Math.min(place.payloadBytes, into.length);
    const payload = into.subarray(0, wanted);
    const got = this.#readAt(place, wanted > 0 ? [this.#readHeader, payload] : [this.#readHeader]);
    const header = decodeHeader(this.#readHeader);
    const intact =
      got === HEADER_BYTES + wanted &&
      header?.object === object &&
      header.payloadBytes === place.payloadBytes &&
      Buffer.compare(header.cartridgeTag, this.#uuid.subarray(0, 8)) === 0;
    if (!intact) throw this.#readError(object, 'its header is damaged');
    this.#memory.readBytes += wanted;
    if (place.mark) return { kind: 'filemark' };
    const lengthBytes = place.payloadBytes;
    if (lengthBytes > into.length) return { kind: 'oversize', lengthBytes };
    const sum = crc32(payload);
    if (sum !== header.payloadCrc) throw this.#readError(object, 'its checksum does not match');
    return { kind: 'block', lengthBytes, crc32: sum };
  }

  #readAt(place: RecordPlace, buffers: Uint8Array[]): number {
    if (this.#reading?.segment !== place.segment) {
      this.#closeReading();
      const fd = openSync(segmentPath(this.#dir, place.segment), 'r');
      this.#reading = { segment: place.segment, fd };
    }
    try {
      return readvSync(this.#reading.fd, buffers, place.offset);
    } catch (cause) {
      const detail = `${this.info.barcode}: ${(cause as Error).message}`;
      throw new StatusError('mediaReadError', detail, {}, { cause });
    }
  }

  #readError(object: number, why: string): StatusError {
    return new StatusError('mediaReadError', `${this.info.barcode} object ${object}: ${why}`);
  }

  /** Writes records at `object`, which becomes the end of data before the first of them. See `Drive.writeBlocks`. */
  write(object: number, records: readonly NewRecord[]): WriteResult {
    this.#fence.check();
    if (records.length === 0) {
      return { written: 0, earlyWarning: this.pastEarlyWarning, endOfMedium: false };
    }
    let written = 0;
    try {
      if (this.#writer === null || object < this.map.objectCount) this.#beginAt(object);
      const limit = this.#limit(records);
      while (written < limit.fits) {
        const part = this.#fillSegment(records, written, limit.fits);
        written += part.written;
        if (part.full) return { written, earlyWarning: true, endOfMedium: true };
      }
      return { written, earlyWarning: this.pastEarlyWarning, endOfMedium: limit.endOfMedium };
    } catch (error) {
      if (!isDiskFull(error)) throw error;
      return { written, earlyWarning: true, endOfMedium: true };
    }
  }

  /** How many records may go: up to the one that reaches early warning, or all that fit when past it. */
  #limit(records: readonly NewRecord[]): { fits: number; endOfMedium: boolean } {
    this.#lookAtHost();
    const { capacityBytes, earlyWarningBytes } = this.info;
    const warned = this.pastEarlyWarning;
    let used = this.map.usedBytes;
    for (const [i, record] of records.entries()) {
      const size = storedBytes(record === 'filemark' ? 0 : record.bytes);
      const fits = used + size <= capacityBytes && fitsHost(this.#hostFreeBytes, size);
      if (!fits) return { fits: i, endOfMedium: true };
      used += size;
      this.#hostFreeBytes -= size;
      this.#bytesToHostCheck -= size;
      const reached = !warned && used >= capacityBytes - earlyWarningBytes;
      if (reached) return { fits: i + 1, endOfMedium: false };
    }
    return { fits: records.length, endOfMedium: false };
  }

  #lookAtHost(): void {
    // Close to the end every look counts: others fill the host too.
    if (this.#bytesToHostCheck > 0 && this.#hostFreeBytes > HOST_RESERVE_BYTES) return;
    this.#bytesToHostCheck = HOST_CHECK_BYTES;
    const { bavail, bsize } = statfsSync(this.#dir);
    this.#hostFreeBytes = bavail * bsize;
    const reserve = this.#options.hostReserveBytes ?? HOST_RESERVE_BYTES;
    this.#hostFull = this.#hostFreeBytes < reserve;
  }

  /** Appends as many of the records as the segment takes; begins the next one when it takes none. */
  #fillSegment(records: readonly NewRecord[], from: number, to: number) {
    let writer = this.#writer as SegmentWriter;
    let room = this.info.segmentBytes - writer.bytes;
    let end = from;
    while (end < to) {
      const record = records[end] as NewRecord;
      room -= storedBytes(record === 'filemark' ? 0 : record.bytes);
      if (room < 0 && (end > from || writer.bytes > SEGMENT_START_BYTES)) break;
      end += 1;
    }
    if (end === from) {
      this.sync();
      this.#beginAt(this.map.objectCount);
      writer = this.#writer as SegmentWriter;
      end = from + 1;
    }
    const at = { object: this.map.objectCount, file: this.map.fileCount };
    const { segment } = writer.start;
    this.#synced = false;
    return writer.append(records.slice(from, end), at, (record, offset) => {
      const mark = record === 'filemark';
      const payloadBytes = mark ? 0 : record.bytes;
      this.map.append({ mark, segment, offset, payloadBytes }, 1);
      this.#memory.writtenBytes += payloadBytes;
    });
  }

  /** Makes the medium end at `object`, durably. */
  erase(object: number): void {
    this.#fence.check();
    this.#beginAt(object);
    this.sync();
  }

  /** Everything written so far is on the disk, and this owner still held the drive, when this returns. */
  sync(): void {
    if (this.#unsure !== null) {
      const detail = `${this.info.barcode} must be loaded again: a cut of it failed`;
      throw new StatusError('mediaWriteError', detail, {}, { cause: this.#unsure });
    }
    const writer = this.#writer;
    if (!writer || this.#synced) return;
    writer.flush();
    this.#fence.check();
    this.#appendIndex();
    this.#synced = true;
  }

  /** As `sync`, and what an owner before wrote and did not get to flush is on the disk too. */
  syncTape(): void {
    const last = this.#loaded.chain.segments.at(-1);
    if (!this.#writer && last) syncFile(segmentPath(this.#dir, last.segment), this.#files);
    this.sync();
  }

  /** Begins a new segment whose first object is `object`; what lay behind it is no longer part of the tape. */
  #beginAt(object: number): void {
    this.sync();
    this.#fence.exclusively(() => {
      const start = this.#nextStart(object);
      // An older segment is read without its sums later, so it must be on the disk; its writer may have died before.
      if (!this.#writer && start.previousSegment !== NO_SEGMENT) {
        syncFile(segmentPath(this.#dir, start.previousSegment), this.#files);
      }
      this.#writer?.close();
      this.#writer = null;
      this.#lastSegment = start.segment;
      const path = segmentPath(this.#dir, start.segment);
      this.#writer = this.#newWriter(path, start);
      // From here on the cut is made; were it not, the next segment would void this one.
      this.map.cut(object);
      this.#generation = start.generation;
      this.#synced = false;
      this.#rewriteIndex();
      this.#removeDeadSegments();
      if (!this.#memory.dirty) {
        this.#memory.dirty = true;
        writeCartridgeMemory(this.#dir, this.#memory, this.#files);
      }
    });
  }

  #newWriter(path: string, start: SegmentStart): SegmentWriter {
    let writer: SegmentWriter;
    try {
      writer = new SegmentWriter(path, start, this.#files);
    } catch (error) {
      // Without room there is no segment. Else it may come back, however often it is removed.
      if (!isDiskFull(error)) this.#unsure = error;
      throw error;
    }
    try {
      syncFile(this.#dir, this.#files);
      return writer;
    } catch (error) {
      this.#unsure = error;
      writer.close();
      throw error;
    }
  }

  #nextStart(object: number): SegmentStart {
    const before = object > 0 ? this.map.find(object - 1) : null;
    if (object > 0 && !before) {
      throw new StatusError('mediaWriteError', `${this.info.barcode} object ${object - 1} is lost`);
    }
    return {
      uuid: this.#uuid,
      segment: this.#lastSegment + 1,
      generation: this.#generation + 1,
      firstObject: object,
      firstFile: this.map.filemarksBefore(object),
      previousSegment: before?.segment ?? NO_SEGMENT,
      previousBytes: before ? before.offset + storedBytes(before.payloadBytes) : 0,
      ownerEpoch: this.#fence.epoch,
    };
  }

  /** A new file, so that nobody who still has the old one open can add to it. */
  #rewriteIndex(): void {
    if (this.#indexFd !== null) this.#files.close(this.#indexFd);
    this.#indexFd = null;
    const path = join(this.#dir, 'index.log');
    const header = encodeIndexHeader(this.#uuid);
    try {
      replaceFile(path, Buffer.concat([header, this.#encodeIndex(0)]), this.#files);
      this.#indexFd = this.#files.create(path, 'append');
      this.#indexedObjects = this.map.objectCount;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
  }

  #encodeIndex(fromObject: number): Buffer {
    const { runs, objectCount: object, fileCount: file } = this.map;
    return encodeCheckpoint(runs, fromObject, { object, file, segment: this.#lastSegment });
  }

  #appendIndex(): void {
    if (this.#indexFd === null) return;
    const entries = this.#encodeIndex(this.#indexedObjects);
    try {
      writeAll(this.#files, this.#indexFd, [entries], null);
      this.#indexedObjects = this.map.objectCount;
      return;
    } catch (error) {
      if (!isDiskFull(error)) throw error;
    }
    // Half an entry is in the file: nothing more may follow it. The next load reads on from the last checkpoint.
    this.#files.close(this.#indexFd);
    this.#indexFd = null;
  }

  #removeDeadSegments(): void {
    const live = new Set(this.map.runs.map((run) => run.segment));
    live.add(this.#lastSegment);
    for (const segment of this.#segmentsOnDisk) {
      if (live.has(segment)) continue;
      if (this.#reading?.segment === segment) this.#closeReading();
      this.#files.remove(segmentPath(this.#dir, segment));
      this.#segmentsOnDisk.delete(segment);
    }
    this.#segmentsOnDisk.add(this.#lastSegment);
  }

  /** Flushes and lets go. When the drive was lost to another owner, nothing is written any more. */
  release(): void {
    try {
      this.sync();
      this.#fence.exclusively(() =>
        writeCartridgeMemory(this.#dir, { ...this.#memory, dirty: false }, this.#files),
      );
    } finally {
      this.#writer?.close();
      this.#writer = null;
      if (this.#indexFd !== null) this.#files.close(this.#indexFd);
      this.#indexFd = null;
      this.#closeReading();
    }
  }

  #closeReading(): void {
    if (this.#reading) closeSync(this.#reading.fd);
    this.#reading = null;
  }
}
