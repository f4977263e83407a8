import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type KeyStorePlace, prepareKeyStore } from './key-store.ts';

let dir: string;
let place: KeyStorePlace;
let data: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-key-store-'));
  place = { stateDir: join(dir, 'state'), marker: join(dir, 'marker', 'made.json') };
  data = join(place.stateDir, 'nbkms/db/KMS_DATA.dat');
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('a store is made once, and not again when it got lost', async () => {
  expect(await prepareKeyStore(place)).toMatch(/an empty key store was made/);
  expect([existsSync(data), existsSync(place.marker)]).toEqual([true, true]);
  rmSync(data);
  expect(await prepareKeyStore(place)).toMatch(/made before/);
  expect(existsSync(data)).toBe(false);
});

test('a start that was cut short before it left its marker is taken up', async () => {
  await prepareKeyStore(place);
  rmSync(place.marker);
  expect(await prepareKeyStore(place)).toMatch(/cut short/);
  expect(existsSync(place.marker)).toBe(true);
});

test('a store that cannot be made leaves no marker, and the reason is told', async () => {
  writeFileSync(place.stateDir, 'a file where a folder should be');
  await expect(prepareKeyStore(place)).rejects.toMatchObject({
    status: 'systemError',
    detail: expect.stringMatching(/no key store can be made: .*EXIT STATUS/s),
  });
  expect(existsSync(place.marker)).toBe(false);
});
