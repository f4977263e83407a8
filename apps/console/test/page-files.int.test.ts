// The page as it is built: small enough at its first load, and all of it from here.

import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { buildPage } from './built-page.ts';

const FIRST_LOAD_MAX_BYTES = 200_000;

let pageDir: string;

beforeAll(async () => {
  pageDir = await buildPage();
}, 120_000);

afterAll(() => rmSync(pageDir, { recursive: true, force: true }));

test('the first load is at most 200 kB, compressed', () => {
  const html = readFileSync(join(pageDir, 'index.html'), 'utf8');
  const first = [...html.matchAll(/(?:src|href)="\/(assets\/[^"]+)"/g)].map(([, name]) => name!);
  expect(first.some((name) => name.endsWith('.js'))).toBe(true);
  const sizes = [...first, 'index.html'].map(
    (name) => gzipSync(readFileSync(join(pageDir, name))).length,
  );
  const sum = sizes.reduce((total, size) => total + size, 0);
  expect(sum).toBeGreaterThan(20_000);
  expect(sum).toBeLessThanOrEqual(FIRST_LOAD_MAX_BYTES);
});

test('each file has its compressed copies, and nothing comes from elsewhere', () => {
  const names = readdirSync(join(pageDir, 'assets'));
  const js = names.filter((name) => name.endsWith('.js'));
  for (const name of js) {
    expect(names).toEqual(expect.arrayContaining([`${name}.gz`, `${name}.br`]));
    const compressed = statSync(join(pageDir, 'assets', `${name}.br`)).size;
    expect(compressed).toBeLessThan(statSync(join(pageDir, 'assets', name)).size);
  }
  const html = readFileSync(join(pageDir, 'index.html'), 'utf8');
  expect(html).not.toMatch(/https?:\/\//);
  const css = names.filter((name) => name.endsWith('.css'));
  for (const name of css) {
    expect(readFileSync(join(pageDir, 'assets', name), 'utf8')).not.toMatch(/url\(["']?https?:/);
  }
});
