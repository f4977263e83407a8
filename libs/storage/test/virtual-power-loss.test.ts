// Power is lost at every single change that a writer makes, and what was not flushed reaches the disk in part, in any
// order, torn or as garbage. Whatever was acknowledged is there with its sums, and nothing else is taken for tape.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Cartridge } from '../src/virtual/cartridge.ts';
import { type Draw, type Recording, recordChanges } from './recording-files.ts';
import {
  drawFrom,
  FENCE,
  History,
  newCartridge,
  newRecord,
  readTape,
  wordOf,
} from './writer-history.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'vtl-power-'));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Some sessions of writers: most let go in order, some are killed and leave their files as they are. */
function writeSome(dir: string, recording: Recording, tape: readonly string[], draw: Draw) {
  const history = new History(tape);
  const pick = (below: number): number => Math.floor(draw() * below);
  const note = (next: readonly string[]) => history.note(next, recording.length);
  const acknowledge = () => history.acknowledge(recording.length);
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
          recording.crash(boundary, crashed, draw, boundary + variant > 0);
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
}, 600_000);
