// The demo as a person runs it, over a small folder: its output, its exit code, and that nothing is left running.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { readJson, type SystemRecord } from '../launcher/layout.ts';
import { makeTree } from './tree.ts';

const dir = mkdtempSync(join(tmpdir(), 'tapestry-demo-'));
// Passable, so that root's PostgreSQL (which runs as nobody) keeps its data in here and not below /var/lib.
chmodSync(dir, 0o755);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const demo = (...args: string[]): { code: number | null; output: string } => {
  const run = spawnSync(process.execPath, [join(import.meta.dirname, 'demo.ts'), ...args], {
    encoding: 'utf8',
    timeout: 240_000,
  });
  return { code: run.status, output: run.stdout + run.stderr };
};

test('it backs up a folder of mine, restores it, and says that both are equal', () => {
  const source = join(dir, 'mine');
  makeTree(source, { files: 80, bytes: 2_000_000 });
  const state = join(dir, 'state');
  const { code, output } = demo('--source', source, '--state', state);
  expect(output).toContain('The restored tree is equal to its source.');
  expect(code).toBe(0);
  for (const shown of [
    '$ bpbackup -i -p demo',
    '$ bplist -C filer1',
    '$ bprestore',
    'Console: http://',
  ]) {
    expect(output).toContain(shown);
  }
  expect(readJson<SystemRecord>(join(state, 'system/run/system.json'))?.processes).toEqual([]);
}, 300_000);

test('a folder that is not there is refused before anything starts', () => {
  const { code, output } = demo('--source', join(dir, 'nowhere'));
  expect(output).toMatch(/there is no folder .*nowhere/);
  expect(code).toBe(20);
});
