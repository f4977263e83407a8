// What a cartridge is (cartridge.json) and what happened to it (mam.json): one folder holds it all and can be moved.

import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
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
  /** Default `data`. A cleaning cartridge holds no data: its capacity is 0. */
  readonly kind?: 'data' | 'cleaning';
  /** How often a cleaning cartridge cleans. Default 50. */
  readonly cleanings?: number;
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
  /** How often a cleaning cartridge was used. */
  cleaned: number;
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
    mkdirSync(dir, { mode: 0o750 });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    // Without its description it is what a call left that died: nothing was ever on it.
    if (existsSync(join(dir, 'cartridge.json')))
      throw new StatusError('alreadyExists', `there is a cartridge ${spec.barcode} already`);
  }
  replaceFile(join(dir, 'README.txt'), README_TEXT);
  replaceCartridgeInfo(dir, info);
  syncFile(dirname(dir));
  return info;
}

const BARCODE = /^[A-Za-z0-9_-]{1,32}$/;

export function isBarcode(text: string): boolean {
  return BARCODE.test(text);
}

/** Throws `invalidParameter` for a cartridge that cannot be. */
export function checkCartridgeSpec(spec: CartridgeSpec): void {
  withDefaults(spec);
}

function withDefaults(spec: CartridgeSpec): Required<CartridgeSpec> {
  const { barcode, capacityBytes, kind = 'data' } = spec;
  const { writeProtected = false, worm = false, cleanings = 50 } = spec;
  const segmentBytes = spec.segmentBytes ?? GIB;
  if (!isBarcode(barcode)) throw new StatusError('invalidParameter', `"${barcode}" is no barcode`);
  if (!(segmentBytes >= MIB && segmentBytes <= 2 * GIB)) {
    throw new StatusError('invalidParameter', 'a segment has 1 MiB to 2 GiB');
  }
  const flags = { barcode, segmentBytes, writeProtected, worm, kind };
  if (kind === 'cleaning') {
    const fits = Number.isInteger(cleanings) && cleanings >= 0 && cleanings <= 65_535 && !worm;
    if (!fits) throw new StatusError('invalidParameter', 'a tape cleans up to 65535 times');
    return { ...flags, capacityBytes: 0, earlyWarningBytes: 0, cleanings };
  }
  const earlyWarningBytes =
    spec.earlyWarningBytes ??
    Math.floor(Math.min(Math.max(capacityBytes * 0.005, 64 * MIB), capacityBytes / 4));
  if (!Number.isSafeInteger(capacityBytes) || capacityBytes < MIB) {
    throw new StatusError('invalidParameter', `a cartridge holds at least ${MIB} bytes`);
  }
  if (!(earlyWarningBytes >= 0 && earlyWarningBytes < capacityBytes)) {
    throw new StatusError('invalidParameter', 'early warning lies outside the cartridge');
  }
  return { ...flags, capacityBytes, earlyWarningBytes, cleanings: 0 };
}

/** Throws `mediaOpenError` when the folder holds no cartridge that this release can use. */
export function readCartridgeInfo(dir: string): CartridgeInfo {
  let found: CartridgeInfo;
  try {
    const text = readFileSync(join(dir, 'cartridge.json'), 'utf8');
    // The first cartridges were all for data, and did not say so.
    found = { kind: 'data', cleanings: 0, ...JSON.parse(text) };
  } catch (cause) {
    throw new StatusError('mediaOpenError', `${dir} holds no readable cartridge`, {}, { cause });
  }
  if (isUsable(found)) return found;
  throw new StatusError('mediaOpenError', `${dir} has a format unknown to this release`);
}

/** The file may come from anywhere: an imported cartridge is somebody else's. */
function isUsable(info: CartridgeInfo): boolean {
  const { format, checksum, uuid, barcode, kind } = info;
  const sizes = [info.capacityBytes, info.earlyWarningBytes, info.segmentBytes, info.cleanings];
  return (
    format === 'VTC1' &&
    checksum === 'crc32' &&
    typeof uuid === 'string' &&
    /^[0-9a-f-]{36}$/i.test(uuid) &&
    uuidBytes(uuid).length === 16 &&
    typeof barcode === 'string' &&
    isBarcode(barcode) &&
    (kind === 'data' || kind === 'cleaning') &&
    sizes.every((size) => Number.isSafeInteger(size) && size >= 0) &&
    info.segmentBytes > 0 &&
    [info.worm, info.writeProtected].every((flag) => typeof flag === 'boolean')
  );
}

/** Changes what a cartridge is. Nobody may have it loaded. */
export function replaceCartridgeInfo(dir: string, info: CartridgeInfo): void {
  replaceFile(join(dir, 'cartridge.json'), `${JSON.stringify(info, null, 2)}\n`);
}

/** A damaged or missing memory reads as new: it holds nothing that the data depends on. */
export function readCartridgeMemory(dir: string): CartridgeMemory {
  const blank = { loads: 0, writtenBytes: 0, readBytes: 0, dirty: false, cleaned: 0 };
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
