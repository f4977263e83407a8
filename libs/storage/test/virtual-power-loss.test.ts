// Power is lost at every single change that a writer makes, and what was not flushed reaches the disk in part, in any
// order, torn or as garbage. Whatever was acknowledged is there with its sums, and nothing else is taken for tape.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { hostFiles } from '../src/file-layer.ts';
import { Cartridge, type Fence } from '../src/virtual/cartridge.ts';
import { createCartridge } from '../src/virtual/cartridge-info.ts';
import type { NewRecord } from '../src/virtual/segment-writer.ts';
import { type Draw, type Recording, recordChanges } from './recording-files.ts';

const FENCE: Fence = { epoch: 1n, check: () => {}, exclusively: (work) => work() };
/** Small segments, so that a short history crosses many borders. */
const SEGMENT_BYTES = 8192;
const MIB = 1024 * 1024;
/** For looking at what is left: nothing needs to last. */
const HASTY = { ...hostFiles, sync: () => {}, flush: () => {} };

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'vtl-power-'));
});
afterEach(() => rmSync(root, { recursive: true }));

function drawFrom(seed: number): Draw {
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
class History {
  readonly moments: Moment[] = [];
  readonly acknowledged: { moment: number; since: number }[] = [];

  constructor(tape: readonly string[]) {
    this.moments.push({ tape, since: 0 });
    this.acknowledged.push({ moment: 0, since: 0 });
  }

  get tape(): readonly string[] {
    return this.moments.at(-1)!.tape;
  }

  /** States that a tape may be in when power is lost at `boundary`. */
  possible(boundary: number): Set<string> {
    const last = this.acknowledged.filter(({ since }) => since <= boundary).at(-1)!;
    const open = this.moments.slice(last.moment).filter(({ since }) => since <= boundary);
    return new Set([this.moments[last.moment]!, ...open].map(({ tape }) => tape.join(' ')));
  }
}

/** Some sessions of writers: most let go in order, some are killed and leave their files as they are. */
function writeSome(dir: string, recording: Recording, tape: readonly string[], draw: Draw) {
  const history = new History(tape);
  const pick = (below: number): number => Math.floor(draw() * below);
  const note = (next: readonly string[]): void => {
    history.moments.push({ tape: next, since: recording.length });
  };
  const acknowledge = (): void => {
    const moment = history.moments.length - 1;
    history.acknowledged.push({ moment, since: recording.length });
  };
  for (let session = 0; session < 3; session++) {
    const cartridge = new Cartridge(dir, FENCE, { files: recording.files, hostReserveBytes: 0 });
    for (let step = 0; step < 5; step++) {
      const at = pick(3) === 0 ? pick(history.tape.length + 1) : history.tape.length;
      if (at < history.tape.length) note(history.tape.slice(0, at));
      if (pick(8) === 0) cartridge.erase(at);
      else {
        const records = Array.from({ length: 1 + pick(4) }, () => newRecord(pick));
        for (const record of records) note([...history.tape, wordOf(record)]);
        const result = cartridge.write(at, records);
        expect(result.written).toBe(records.length);
        if (pick(2) === 0) continue;
        cartridge.sync();
      }
      acknowledge();
    }
    if (pick(3) > 0) {
      cartridge.release();
      acknowledge();
    }
  }
  return history;
}

function newRecord(pick: (below: number) => number): NewRecord {
  if (pick(4) === 0) return 'filemark';
  const bytes = 1 + pick(pick(3) === 0 ? 6000 : 200);
  const part = Buffer.alloc(bytes, pick(256));
  for (let i = 0; i < bytes; i += 7) part[i] = pick(256);
  return { block: { parts: [part] }, bytes };
}

function wordOf(record: NewRecord): string {
  if (record === 'filemark') return '*';
  return `${record.bytes}:${crc32(record.block.parts[0]!)}`;
}

/** Reads all of it; a damaged block throws. */
function readTape(dir: string): string[] {
  const cartridge = new Cartridge(dir, FENCE, { files: HASTY });
  expect(cartridge.suspect).toBeNull();
  const into = Buffer.alloc(8192);
  const seen: string[] = [];
  for (let object = 0; object < cartridge.map.objectCount; object++) {
    const result = cartridge.read(object, into);
    if (result.kind === 'block') {
      seen.push(`${result.lengthBytes}:${crc32(into.subarray(0, result.lengthBytes))}`);
    } else seen.push(result.kind === 'filemark' ? '*' : '!');
  }
  cartridge.release();
  return seen;
}

function newCartridge(dir: string): void {
  createCartridge(dir, { barcode: 'T1', capacityBytes: 64 * MIB }, 0);
  const path = join(dir, 'cartridge.json');
  const info = JSON.parse(readFileSync(path, 'utf8'));
  writeFileSync(path, JSON.stringify({ ...info, segmentBytes: SEGMENT_BYTES }));
}

test('whatever a lost power leaves of the last writes, the tape is one that was, with all that was acknowledged', () => {
  let states = 0;
  let lost = 0;
  for (let seed = 1; seed <= 4; seed++) {
    const draw = drawFrom(seed * 7919);
    let dir = join(root, `tape-${seed}`);
    newCartridge(dir);
    let tape: readonly string[] = [];
    for (let round = 0; round < 3; round++) {
      const recording = recordChanges(dir);
      const history = writeSome(dir, recording, tape, draw);
      const crashed = join(root, `crash-${seed}-${round}`);
      for (let boundary = 0; boundary <= recording.length; boundary++) {
        const possible = history.possible(boundary);
        for (let variant = 0; variant < 4; variant++) {
          recording.crash(boundary, crashed, draw);
          const found = readTape(crashed).join(' ');
          const where = `seed ${seed}, round ${round}, change ${boundary}, variant ${variant}`;
          expect(possible, where).toContain(found);
          states += 1;
          if (found !== [...possible].at(-1)) lost += 1;
        }
      }
      // The next round goes on from what one such loss left.
      recording.crash(Math.floor(draw() * recording.length), crashed, draw);
      dir = crashed;
      tape = readTape(dir);
    }
  }
  // The diary would prove nothing if nothing was ever lost.
  expect(states).toBeGreaterThan(3000);
  expect(lost).toBeGreaterThan(300);
});
