// Generates a daemon in a copy of the repository, then type-checks, lints and tests it, so that the template cannot rot.

import { execFileSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const NODE = process.execPath;
let copy: string;

beforeAll(() => {
  copy = mkdtempSync(join(tmpdir(), 'tapestry-new-daemon-'));
  copyRepository();
});

afterAll(() => rmSync(copy, { recursive: true, force: true }));

const run = (...args: string[]): string =>
  execFileSync(NODE, args, { cwd: copy, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });

test('a new daemon type-checks, is clean, and passes its tests', () => {
  run(join(ROOT, 'tools/new-daemon/new-daemon.ts'), 'nbvault', '--root', copy);
  run('libs/contracts/generate.ts');
  run('node_modules/typescript/bin/tsc', '-p', 'apps/nbvault', '--noEmit');
  execFileSync(join(copy, 'node_modules/.bin/biome'), ['check', 'apps/nbvault'], { cwd: copy });
  const output = run(
    'node_modules/vitest/vitest.mjs',
    'run',
    '--root',
    copy,
    '--dir',
    'apps/nbvault',
  );
  expect(output).toMatch(/4 passed/);
}, 240_000);

test('a bad name, and one that is taken, are refused', () => {
  const refused = (name: string): number => {
    try {
      run(join(ROOT, 'tools/new-daemon/new-daemon.ts'), name, '--root', copy);
      return 0;
    } catch (error) {
      return (error as { status: number }).status;
    }
  };
  expect(refused('Nb-Vault')).toBe(20);
  expect(refused('nbjm')).toBe(226);
});

/** Sources copied, packages linked; the workspace's own packages point into the copy. */
function copyRepository(): void {
  for (const file of ['package.json', 'tsconfig.base.json', 'biome.json', '.gitignore']) {
    cpSync(join(ROOT, file), join(copy, file));
  }
  const skip = /\/(dist|\.cache)$/;
  cpSync(join(ROOT, 'libs'), join(copy, 'libs'), {
    recursive: true,
    verbatimSymlinks: true,
    filter: (from) => !skip.test(from),
  });
  mkdirSync(join(copy, 'apps/nbjm/src'), { recursive: true });
  cpSync(join(ROOT, 'apps/nbjm/package.json'), join(copy, 'apps/nbjm/package.json'));
  if (existsSync(join(ROOT, '.cache'))) symlinkSync(join(ROOT, '.cache'), join(copy, '.cache'));
  execFileSync('git', ['init', '--quiet'], { cwd: copy });
  const packages = join(copy, 'node_modules');
  mkdirSync(join(packages, '@tapestry'), { recursive: true });
  for (const name of readdirSync(join(ROOT, 'node_modules'))) {
    if (name !== '@tapestry') symlinkSync(join(ROOT, 'node_modules', name), join(packages, name));
  }
  for (const name of readdirSync(join(copy, 'libs'))) {
    symlinkSync(join(copy, 'libs', name), join(packages, '@tapestry', name));
  }
}
