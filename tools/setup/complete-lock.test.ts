import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { insertEntries, missingEntries } from './complete-lock.js';
import { root } from './places.js';

test('names the platforms that a package offers and the lock file lacks', () => {
  const packages = {
    '': {},
    'node_modules/a': {
      version: '1.0.0',
      dev: true,
      license: 'MIT',
      optionalDependencies: {
        '@a/a-darwin-arm64': '1.0.0',
        '@a/a-linux-x64-musl': '1.0.0',
        fsevents: '1.0.0',
        'b-linux-x64': '1.0.0',
        'c-linux-x64': '~1.0.0',
      },
    },
    'node_modules/a/node_modules/b-linux-x64': { version: '1.0.0' },
    'node_modules/z': { version: '2.0.0' },
  };
  const missing = missingEntries(packages);
  const platform = { version: '1.0.0', dev: true, license: 'MIT', optional: true };
  expect(missing).toEqual({
    'node_modules/@a/a-darwin-arm64': { ...platform, cpu: ['arm64'], os: ['darwin'] },
    'node_modules/@a/a-linux-x64-musl': {
      ...platform,
      cpu: ['x64'],
      libc: ['musl'],
      os: ['linux'],
    },
  });
  const whole = insertEntries(packages, missing);
  expect(Object.keys(whole).slice(1, 4)).toEqual([
    'node_modules/@a/a-darwin-arm64',
    'node_modules/@a/a-linux-x64-musl',
    'node_modules/a',
  ]);
  expect(missingEntries(whole)).toEqual({});
});

test('our lock file is one that npm ci takes (else: node tools/setup/complete-lock.js)', () => {
  const lock = JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8'));
  expect(Object.keys(missingEntries(lock.packages))).toEqual([]);
});
