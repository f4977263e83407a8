// A writer's history beside the recording of its disk: what the tape may be when power is lost, and what it must be. For the
// tests that lose power or have single calls fail.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { expect } from 'vitest';
import { type FileLayer, hostFiles } from '../src/file-layer.ts';
import { Cartridge, type Fence } from '../src/virtual/cartridge.ts';
import { createCartridge } from '../src/virtual/cartridge-info.ts';
import type { NewRecord } from '../src/virtual/segment-writer.ts';
import type { Draw } from './recording-files.ts';

export const FENCE: Fence = { epoch: 1n, check: () => {}, exclusively: (work) => work() };
/** Small segments, so that a short history crosses many borders. */
const SEGMENT_BYTES = 8192;
const MIB = 1024 * 1024;
/** For looking at what is left, which stays as it is. */
const NOTHING_WRITTEN: FileLayer = {
  ...hostFiles,
  create: () => hostFiles.open('/dev/null'),
  write: (_fd, buffers) => buffers.reduce((sum, buffer) => sum + buffer.length, 0),
  sync: () => {},
  flush: () => {},
  rename: () => {},
};

export function drawFrom(seed: number): Draw {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9) >>> 0;
    return ((state ^ (state >>> 13)) >>> 0) / 2 ** 32;
  };
}

/** The tape at one moment, an object a word, and after how many changes it may have become true. */
interface Moment {
  readonly tape: readonly string[];
  readonly since: number;
}

/** What a writer did: all states of the tape in order, and which of them were acknowledged when. */
export class History {
  readonly moments: Moment[] = [];
  readonly acknowledged: { moment: number; since: number }[] = [];

  constructor(tape: readonly string[]) {
    this.moments.push({ tape, since: 0 });
    this.acknowledged.push({ moment: 0, since: 0 });
  }

  get tape(): readonly string[] {
    return this.moments.at(-1)!.tape;
  }

  /** The tape may be like this from now on, as soon as something of it reaches the disk. */
  note(tape: readonly string[], since: number): void {
    this.moments.push({ tape, since });
  }

  /** The tape as it is now was said to be on the disk. */
  acknowledge(since: number): void {
    this.acknowledged.push({ moment: this.moments.length - 1, since });
  }

  get acknowledgedTape(): readonly string[] {
    return this.moments[this.acknowledged.at(-1)!.moment]!.tape;
  }

  /** States that a tape may be in when power is lost at `boundary`. */
  possible(boundary: number): Set<string> {
    const last = this.acknowledged.filter(({ since }) => since <= boundary).at(-1)!;
    const open = this.moments.slice(last.moment).filter(({ since }) => since <= boundary);
    return new Set([this.moments[last.moment]!, ...open].map(({ tape }) => tape.join(' ')));
  }
}

export function newRecord(pick: (below: number) => number): NewRecord {
  if (pick(4) === 0) return 'filemark';
  const bytes = 1 + pick(pick(3) === 0 ? 6000 : 200);
  const part = Buffer.alloc(bytes, pick(256));
  for (let i = 0; i < bytes; i += 7) part[i] = pick(256);
  return { block: { parts: [part] }, bytes };
}

export function wordOf(record: NewRecord): string {
  if (record === 'filemark') return '*';
  return `${record.bytes}:${crc32(record.block.parts[0]!)}`;
}

/** The objects of a loaded cartridge as words; a damaged block throws. */
export function tapeOf(cartridge: Cartridge): string[] {
  const into = Buffer.alloc(8192);
  const seen: string[] = [];
  for (let object = 0; object < cartridge.map.objectCount; object++) {
    const result = cartridge.read(object, into);
    if (result.kind === 'block') {
      seen.push(`${result.lengthBytes}:${crc32(into.subarray(0, result.lengthBytes))}`);
    } else seen.push(result.kind === 'filemark' ? '*' : '!');
  }
  return seen;
}

/** Loads what is left of a cartridge, which must not look as if it had lost anything. */
export function readTape(dir: string): string[] {
  const cartridge = new Cartridge(dir, FENCE, { files: NOTHING_WRITTEN });
  expect(cartridge.suspect).toBeNull();
  const seen = tapeOf(cartridge);
  cartridge.release();
  return seen;
}

export function newCartridge(dir: string): void {
  createCartridge(dir, { barcode: 'T1', capacityBytes: 64 * MIB }, 0);
  const path = join(dir, 'cartridge.json');
  const info = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...info, segmentBytes: SEGMENT_BYTES }));
}
