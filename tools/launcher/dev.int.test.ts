// `npm run dev` as a developer uses it: one daemon in front, and nothing left when the terminal says end.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@tapestry/testkit';
import { afterAll, expect, test } from 'vitest';
import { readJson, type SystemRecord } from './layout.ts';

const dir = mkdtempSync(join(tmpdir(), 'tapestry-dev-'));
// Passable, so that root's PostgreSQL (which runs as nobody) keeps its data in here and not below /var/lib.
chmodSync(dir, 0o755);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('one daemon runs in front of its bus and database, and a signal told twice ends all of them', async () => {
  const args = [join(import.meta.dirname, 'dev.ts'), 'nbkms', '--alone', '--state', dir];
  const dev = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [dev.stdout, dev.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  }
  const ready = /nbkms: (http\S+\/readyz)/;
  await eventually(
    'the daemon is ready',
    async () => (await fetch(ready.exec(output)?.[1] ?? '')).ok,
    120_000,
  ).catch((error: unknown) => {
    dev.kill();
    throw new Error(output, { cause: error });
  });
  const ended = once(dev, 'exit');
  dev.kill('SIGTERM');
  await eventually('it stops', () => output.includes('"stopping"'));
  dev.kill('SIGTERM');
  expect(await ended).toEqual([0, null]);
  expect(readJson<SystemRecord>(join(dir, 'run/system.json'))?.processes).toEqual([]);
}, 180_000);
