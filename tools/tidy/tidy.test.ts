import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { tidy } from './tidy.ts';

const ROOT = resolve(import.meta.dirname, '../..');
let root: string;

const put = (file: string, text: string): void => {
  mkdirSync(dirname(join(root, file)), { recursive: true });
  writeFileSync(join(root, file), text);
};
const project = (
  dir: string,
  layer: string,
  dependencies: string[] = [],
  dev: string[] = [],
): void =>
  put(
    `${dir}/package.json`,
    JSON.stringify({
      name: `@tapestry/${dir.split('/')[1]}`,
      nx: { tags: [`layer:${layer}`] },
      dependencies: Object.fromEntries(dependencies.map((name) => [`@tapestry/${name}`, '1'])),
      devDependencies: Object.fromEntries(dev.map((name) => [`@tapestry/${name}`, '1'])),
    }),
  );
const rules = (): string[] => tidy(root).map(({ file, line, rule }) => `${file}:${line} ${rule}`);

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'tapestry-tidy-'));
  project('libs/status', 'contract');
  project('libs/bus', 'runtime', ['status']);
  project('libs/testkit', 'testkit', ['bus']);
  project('apps/bprd', 'app', ['bus'], ['testkit']);
  project('apps/nbjm', 'app', ['bus']);
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('this repository is tidy', () => {
  expect(tidy(ROOT)).toEqual([]);
});

test('a clean tree has no breach', () => {
  put('apps/bprd/src/main.ts', "import { x } from '@tapestry/bus';\nimport './y.ts';\n");
  put('apps/bprd/src/y.test.ts', "import { x } from '@tapestry/testkit';\n");
  expect(rules()).toEqual([]);
});

test.each([
  ['apps/bprd/src/a.ts', "import '../../nbjm/src/main.ts';", /leaves @tapestry\/bprd/],
  ['apps/bprd/src/a.ts', "import { x } from '@tapestry/nbjm';", /not declared/],
  ['apps/bprd/src/a.ts', "import { x } from '@tapestry/testkit';", /for tests alone/],
  ['apps/bprd/src/a.ts', "const x = await import('../../nbjm/src/x.ts');", /leaves/],
  ['apps/bprd/src/core/a.ts', "import { readFileSync } from 'node:fs';", /core\/ may not import/],
  ['apps/bprd/src/core/a.ts', 'const n = Math.random();', /random/],
  ['apps/bprd/src/core/a.ts', 'export async function f() {}', /never waits/],
  ['apps/bprd/src/a.ts', "export * from './b.ts';", /name each export/],
  ['apps/bprd/src/a.ts', '// TODO later', /file an issue/],
  ['apps/bprd/src/a.test.ts', "test.only('x', () => {});", /hides the others/],
  ['apps/bprd/src/utils.ts', 'export const x = 1;', /name a file/],
])('%s with %s is found', (file, text, rule) => {
  put(file, `${text}\n`);
  expect(rules().join('\n')).toMatch(rule);
});

test('a lib that points up, and an app that depends on an app, are found', () => {
  project('libs/status', 'contract', ['bus']);
  project('apps/nbjm', 'app', ['bprd']);
  expect(rules().join('\n')).toMatch(/contract may not depend on @tapestry\/bus/);
  expect(rules().join('\n')).toMatch(/app may not depend on @tapestry\/bprd/);
});
