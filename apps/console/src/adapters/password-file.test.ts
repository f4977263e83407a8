import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { passwordFile } from './password-file.ts';

let dir: string;
let path: string;

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-passwords-'));
  path = join(dir, 'passwords');
  writeFileSync(path, '# operators\nann:se:cret\r\n\nbob:other\n', { mode: 0o400 });
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

test('the right password of the right user, and nothing else', async () => {
  const check = passwordFile(path);
  expect(await check.isRight('ann', 'se:cret')).toBe(true);
  expect(await check.isRight('bob', 'other')).toBe(true);
  for (const [user, password] of [
    ['ann', 'other'],
    ['bob', ''],
    ['', ''],
    ['# operators', ''],
    ['ann:se', 'cret'],
    ['eve', 'se:cret'],
  ] as const) {
    expect([user, await check.isRight(user, password)]).toEqual([user, false]);
  }
});

test('a file that others may read, or that is not there, lets nobody in and says why', async () => {
  chmodSync(path, 0o404);
  await expect(passwordFile(path).isRight('bob', 'other')).rejects.toThrow(/others may read/);
  await expect(passwordFile(join(dir, 'none')).isRight('bob', 'other')).rejects.toThrow(
    /cannot be read/,
  );
});
