// A user without root who holds the capabilities that the README names, and the systemd unit gives: what root could
// save and bring back, he can.

import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import {
  backUp,
  describeTree,
  makeWorkspace,
  nameEntry,
  PASSWORD,
  recover,
  USER,
} from './harness.ts';

const MAIN = fileURLToPath(new URL('../src/main.ts', import.meta.url));
const README = fileURLToPath(new URL('../README.md', import.meta.url));
const NOBODY = '65534';
const workspace = makeWorkspace();
afterAll(() => workspace.remove());

const isRoot = process.getuid?.() === 0;

/** As the README lists them. */
const capabilities = (): string[] => [
  ...new Set(
    Array.from(readFileSync(README, 'utf8').matchAll(/`CAP_([A-Z_]+)`/g), ([, name]) => name!),
  ),
];

test('with its capabilities alone it saves and restores other people’s files', async (context) => {
  context.skip(!isRoot, 'only root may give capabilities');
  const [data, back] = [workspace.file('data'), workspace.file('back')];
  for (const folder of [data, back]) mkdirSync(folder, { mode: 0o700 });
  makeForeignTree(data);
  writeFileSync(workspace.file('password'), PASSWORD, { mode: 0o600 });
  const caps = capabilities().map((name) => `+${name.toLowerCase()}`);
  expect(caps.length).toBeGreaterThan(3);
  const asNobody = ['--reuid', NOBODY, '--regid', NOBODY, '--clear-groups', '--no-new-privs'];
  const given = [
    `--inh-caps=-all,${caps}`,
    `--ambient-caps=-all,${caps}`,
    `--bounding-set=-all,${caps}`,
  ];
  const ndmpd = spawn(
    'setpriv',
    [
      ...[...asNobody, ...given, process.execPath, MAIN, '--listen', '127.0.0.1:0', '--user', USER],
      ...['--password-file', workspace.file('password')],
      ...['--export', `data=${data}`, '--export', `back=${back}`],
    ],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  );
  try {
    const [line] = await once(ndmpd.stdout, 'data');
    const { address } = JSON.parse(String(line)) as { address: string };
    const { image, env, halt } = await backUp(address, { FILESYSTEM: '/data', HIST: 'n' });
    expect(halt).toBe(1);
    const restored = await recover(address, image, env, [nameEntry('/', '/back')]);
    expect(restored.dma.logText).toBe('');
    expect(restored.halt).toBe(1);
    expect(describeTree(back)).toEqual(describeTree(data));
  } finally {
    ndmpd.kill();
  }
});

function makeForeignTree(root: string): void {
  mkdirSync(`${root}/closed`);
  writeFileSync(`${root}/closed/secret`, 'for nobody’s eyes', { mode: 0o600 });
  writeFileSync(`${root}/hers`, 'hers', { mode: 0o640 });
  chownSync(`${root}/hers`, 1234, 4321);
  writeFileSync(`${root}/runs-as-her`, '#!/bin/sh\n');
  chownSync(`${root}/runs-as-her`, 1234, 4321);
  chmodSync(`${root}/runs-as-her`, 0o6755);
  execFileSync('mknod', [`${root}/null`, 'c', '1', '3']);
  chownSync(`${root}/closed`, 1234, 4321);
  chmodSync(`${root}/closed`, 0o000);
}
