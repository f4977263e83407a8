// What a cartridge is (cartridge.json) and what happened to it (mam.json): one folder holds it all and can be moved.

import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { readFileOrEmpty, replaceFile, syncFile } from '../durable-file.ts';
import type { FileLayer } from '../file-layer.ts';

export interface CartridgeSpec {
  /** 1 to 32 letters, digits, `-` or `_`. */
  readonly barcode: string;
  readonly capacityBytes: number;
  /** Distance of early warning from the end. Default: 0.5 %, at least 64 MiB, at most a quarter of the capacity. */
  readonly earlyWarningBytes?: number;
  /** Size at which a new segment file is begun, 1 MiB to 2 GiB. Default 1 GiB. */
  readonly segmentBytes?: number;
  readonly writeProtected?: boolean;
  readonly worm?: boolean;
}

export interface CartridgeInfo extends Required<CartridgeSpec> {
  readonly format: 'VTC1';
  readonly uuid: string;
  readonly checksum: 'crc32';
  readonly created: string;
}

/** The cartridge's own memory: counters that survive in it, as in the chip of a real one. */
export interface CartridgeMemory {
  loads: number;
  writtenBytes: number;
  readBytes: number;
  /** Set at the first write after a load, cleared when the drive flushed and let go. */
  dirty: boolean;
}

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;

const README_TEXT = `One virtual tape cartridge, format VTC1.

cartridge.json  what it is          mam.json   counters
seg-*.dat       the data            index.log  where records lie; can be rebuilt from the segments

A segment is a row of records. Each begins with 64 bytes, all numbers little-endian:
 0 "VTR1"   4 type (1 data, 2 filemark, 4 segment start)   6 header length (u16)   8 object number (u64)
16 filemarks before it (u64)   24 payload length (u32)   28 stored length (u32)   32 CRC-32 of the payload (u32)
36 generation (u32)   40 offset of the previous record (u64)   48 first 8 bytes of the cartridge's UUID
56 header checksum of the previous record (u32)   60 CRC-32 of bytes 0 to 59 (u32)
The payload follows, padded with zeros to a multiple of 64 bytes.

Payload of a segment start: 0 UUID (16)   16 segment number (u32)   20 generation (u32)   24 first object (u64)
32 filemarks before it (u64)   40 previous segment (u32, ffffffff: none)   48 bytes of the previous segment that count (u64)
56 epoch of the owner (u64).
The tape: begin at the segment with the highest number and follow "previous segment" back. Of each earlier one only
the bytes that count and the objects before the next one's first object are part of the tape.
`;

export function uuidBytes(uuid: string): Buffer {
  return Buffer.from(uuid.replaceAll('-', ''), 'hex');
}

/** Makes the folder of an empty cartridge. Throws `alreadyExists` when there is one. */
export function createCartridge(dir: string, spec: CartridgeSpec, nowMs: number): CartridgeInfo {
  const info: CartridgeInfo = {
    format: 'VTC1',
    uuid: randomUUID(),
    ...withDefaults(spec),
    checksum: 'crc32',
    created: new Date(nowMs).toISOString(),
  };
  try {
    mkdirSync(dir);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    throw new StatusError('alreadyExists', `there is a cartridge ${spec.barcode} already`);
  }
  replaceFile(join(dir, 'README.txt'), README_TEXT);
  replaceFile(join(dir, 'cartridge.json'), `${JSON.stringify(info, null, 2)}\n`);
  syncFile(dirname(dir));
  return info;
}

function withDefaults(spec: CartridgeSpec): Required<CartridgeSpec> {
  const { barcode, capacityBytes } = spec;
  const segmentBytes = spec.segmentBytes ?? GIB;
  const earlyWarningBytes =
    spec.earlyWarningBytes ??
    Math.floor(Math.min(Math.max(capacityBytes * 0.005, 64 * MIB), capacityBytes / 4));
  if (!/^[A-Za-z0-9_-]{1,32}$/.test(barcode)) {
    throw new StatusError('invalidParameter', `"${barcode}" is no barcode`);
  }
  if (!Number.isSafeInteger(capacityBytes) || capacityBytes < MIB) {
    throw new StatusError('invalidParameter', `a cartridge holds at least ${MIB} bytes`);
  }
  if (!(earlyWarningBytes >= 0 && earlyWarningBytes < capacityBytes)) {
    throw new StatusError('invalidParameter', 'early warning lies outside the cartridge');
  }
  if (!(segmentBytes >= MIB && segmentBytes <= 2 * GIB)) {
    throw new StatusError('invalidParameter', 'a segment has 1 MiB to 2 GiB');
  }
  const { writeProtected = false, worm = false } = spec;
  return { barcode, capacityBytes, earlyWarningBytes, segmentBytes, writeProtected, worm };
}

/** Throws `mediaOpenError` when the folder holds no cartridge that this release can use. */
export function readCartridgeInfo(dir: string): CartridgeInfo {
  let info: CartridgeInfo;
  try {
    info = JSON.parse(readFileSync(join(dir, 'cartridge.json'), 'utf8')) as CartridgeInfo;
  } catch (cause) {
    throw new StatusError('mediaOpenError', `${dir} holds no readable cartridge`, {}, { cause });
  }
  const usable =
    info.format === 'VTC1' && info.checksum === 'crc32' && uuidBytes(info.uuid).length === 16;
  if (!usable)
    throw new StatusError('mediaOpenError', `${dir} has a format unknown to this release`);
  return info;
}

/** A damaged or missing memory reads as new: it holds nothing that the data depends on. */
export function readCartridgeMemory(dir: string): CartridgeMemory {
  const blank: CartridgeMemory = { loads: 0, writtenBytes: 0, readBytes: 0, dirty: false };
  try {
    return { ...blank, ...JSON.parse(readFileOrEmpty(join(dir, 'mam.json')).toString() || '{}') };
  } catch {
    return blank;
  }
}

export function writeCartridgeMemory(
  dir: string,
  memory: CartridgeMemory,
  files?: FileLayer,
): void {
  replaceFile(join(dir, 'mam.json'), `${JSON.stringify(memory)}\n`, files);
}
