// Every single call that changes a file fails, one after the other: once, or from then on; for want of room, in the middle of
// a write, or because the disk is broken. Each failure is a status or an end of the medium, and what was acknowledged before,
// between and after is there when power is lost in the end.

import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { expect, test } from 'vitest';
import type { FileLayer } from '../src/file-layer.ts';
import { orMediaFailure } from '../src/media-failure.ts';
import { Cartridge } from '../src/virtual/cartridge.ts';
import { failing } from './failing-files.ts';
import { type Recording, recordChanges } from './recording-files.ts';
import {
  drawFrom,
  FENCE,
  History,
  newCartridge,
  newRecord,
  readTape,
  tapeOf,
  wordOf,
} from './writer-history.ts';

/** Failures that a caller is told of; anything else is a bug. */
function attempt(work: () => void): boolean {
  try {
    orMediaFailure('mediaWriteError', work);
    return true;
  } catch (error) {
    expect(error).toBeInstanceOf(StatusError);
    return false;
  }
}

/** Two sessions, each of which begins where the last acknowledged one ended, as who appends to a tape does. */
function writeSome(dir: string, recording: Recording, files: FileLayer): History {
  const draw = drawFrom(42);
  const pick = (below: number): number => Math.floor(draw() * below);
  const history = new History([]);
  for (let session = 0; session < 2; session++) {
    const cartridge = new Cartridge(dir, FENCE, { files, hostReserveBytes: 0 });
    const loaded = tapeOf(cartridge);
    expect(history.possible(recording.length)).toContain(loaded.join(' '));
    history.note(loaded, recording.length);
    for (let step = 0; step < 4; step++) {
      const tape = history.tape;
      const end = step === 0 ? Math.min(history.acknowledgedTape.length, tape.length) : tape.length;
      const at = step === 2 ? pick(end + 1) : end;
      const records = Array.from({ length: 2 + pick(3) }, () => newRecord(pick));
      const first = history.moments.length;
      history.note(tape, recording.length);
      history.note(tape.slice(0, at), recording.length);
      for (const record of records) {
        history.note([...history.tape, wordOf(record)], recording.length);
      }
      attempt(() => void cartridge.write(at, records));
      const now = tapeOf(cartridge);
      const possible = history.moments.slice(first).map((moment) => moment.tape.join(' '));
      expect(possible).toContain(now.join(' '));
      history.note(now, recording.length);
      // A tail that an earlier session wrote in vain and that was not cut off is nobody's to acknowledge.
      const inVain = now.length > at && now.join(' ') === tape.join(' ');
      // After a failure nothing more is written: the writer gives up, as a job does.
      if (inVain || !attempt(() => cartridge.syncTape())) break;
      history.acknowledge(recording.length);
    }
    attempt(() => cartridge.release());
  }
  return history;
}

test('whichever call fails, what was acknowledged is on the tape and nothing else', () => {
  const root = mkdtempSync(join(tmpdir(), 'vtl-failing-'));
  const blank = join(root, 'blank');
  newCartridge(blank);
  const draw = drawFrom(7);
  let failures = 0;
  let acknowledged = 0;
  try {
    for (const code of ['ENOSPC', 'EIO'] as const) {
      for (const forGood of [false, true]) {
        for (let call = 0; ; call++) {
          const dir = join(root, 'tape');
          rmSync(dir, { recursive: true, force: true });
          cpSync(blank, dir, { recursive: true });
          const recording = recordChanges(dir);
          const { files, calls } = failing(recording, { call, code, forGood });
          const history = writeSome(dir, recording, files);
          if (!calls.failed) break;
          failures += 1;
          acknowledged += history.acknowledgedTape.length;
          const possible = history.possible(recording.length);
          for (let variant = 0; variant < 2; variant++) {
            recording.crash(recording.length, join(root, 'crashed'), draw, variant > 0);
            const where = `${code} ${forGood ? 'from' : 'at'} call ${call}, variant ${variant}`;
            expect(possible, where).toContain(readTape(join(root, 'crashed')).join(' '));
          }
        }
      }
    }
  } finally {
    rmSync(root, { recursive: true });
  }
  expect(failures).toBeGreaterThan(200);
  expect(acknowledged).toBeGreaterThan(failures);
}, 600_000);
