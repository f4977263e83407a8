import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { importedPackages, type LockPackages, packagesFor } from './packages.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tapestry-packages-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function install(...paths: string[]): void {
  for (const path of paths) mkdirSync(join(root, path), { recursive: true });
}

test('imports are found in all their forms, and Node and files are none', () => {
  const text = `
    import fastify from 'fastify';
    import type { A } from '@scope/name/part.ts';
    import 'side-effect';
    export { b } from "quoted";
    const c = await import('later');
    import { readFileSync } from 'node:fs';
    import { d } from './d.ts';
  `;
  expect(importedPackages(text).sort()).toEqual([
    '@scope/name',
    'fastify',
    'later',
    'quoted',
    'side-effect',
  ]);
});

test('a package is taken from where Node would find it, with all that it needs', () => {
  const lock: LockPackages = {
    'apps/x/node_modules/a': { dependencies: { b: '2' } },
    'node_modules/a': { dependencies: { never: '1' } },
    'node_modules/b': { dependencies: { a: '1', c: '1' } },
    'node_modules/c': {
      peerDependencies: { d: '1', e: '1' },
      peerDependenciesMeta: { e: { optional: true } },
    },
    'node_modules/d': {},
    'node_modules/never': {},
  };
  install('apps/x/node_modules/a', ...Object.keys(lock));
  expect(packagesFor(root, lock, [{ from: 'apps/x', name: 'a' }])).toEqual([
    'apps/x/node_modules/a',
    'node_modules/a',
    'node_modules/b',
    'node_modules/c',
    'node_modules/d',
    'node_modules/never',
  ]);
});

test('another platform is left out, and a missing package is named', () => {
  const lock: LockPackages = {
    'node_modules/a': { optionalDependencies: { 'a-linux': '1', 'a-darwin': '1' } },
    'node_modules/a-linux': {},
    'node_modules/a-darwin': {},
    'node_modules/gone': {},
  };
  install('node_modules/a', 'node_modules/a-linux');
  const needs = (name: string) => [{ from: 'apps/x', name }];
  expect(packagesFor(root, lock, needs('a'))).toEqual(['node_modules/a', 'node_modules/a-linux']);
  expect(() => packagesFor(root, lock, needs('gone'))).toThrow(/gone, which apps\/x needs/);
});
