// Records come back as they went, from memory and from disk; a disk that is missing is told.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { SpillFile } from './spill-file.ts';

let directory = '';
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'spill-'));
});
afterAll(() => rmSync(directory, { recursive: true }));

test('records of any length come back, and no file is left behind', () => {
  const spill = new SpillFile(directory);
  const lengths = Array.from({ length: 20_000 }, (_, i) => (i % 500 === 0 ? 30_000 : i % 300));
  const record = (length: number, i: number) => Buffer.alloc(length, `${i}.`);
  const places = lengths.map((length, i) => spill.append(record(length, i)));
  for (const [i, place] of places.entries()) {
    expect(spill.read(place).equals(record(lengths[i] as number, i))).toBe(true);
  }
  expect(readdirSync(directory)).toEqual([]);
  spill.close();
});

test('what does not fit throws, and what was there before stays', () => {
  const spill = new SpillFile(join(directory, 'missing'));
  const first = spill.append(Buffer.from('first'));
  const fill = (): void => {
    for (let i = 0; i < 100; i += 1) spill.append(Buffer.alloc(50_000));
  };
  expect(fill).toThrow(expect.objectContaining({ code: 'ENOENT' }));
  expect(() => spill.append(Buffer.alloc(2_000_000))).toThrow(
    expect.objectContaining({ code: 'EFBIG' }),
  );
  expect(spill.read(first).toString()).toBe('first');
});
