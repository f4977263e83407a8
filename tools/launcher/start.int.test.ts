// `npm start` where it cannot: it says why, and leaves nothing running.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@tapestry/testkit';
import { afterAll, expect, test } from 'vitest';

const dir = mkdtempSync(join(tmpdir(), 'tapestry-start-'));
// Passable, so that root's PostgreSQL (which runs as nobody) keeps its data in here and not below /var/lib.
chmodSync(dir, 0o755);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

test('a bus that is not there ends the start with its reason, and the database with it', async () => {
  const script = join(import.meta.dirname, 'start.ts');
  const started = spawnSync(process.execPath, [script, '--state', dir], {
    encoding: 'utf8',
    env: { ...process.env, NATS_URL: 'nats://127.0.0.1:1' },
    timeout: 150_000,
  });
  expect(started.stderr).toMatch(/Tapestry did not start: .*(bus|refused|127\.0\.0\.1:1)/);
  expect(started.status).toBe(1);
  await eventually('nothing of it runs', () => commandLines(dir).length === 0, 30_000);
}, 180_000);

/** Of processes that name the folder. */
function commandLines(folder: string): string[] {
  return readdirSync('/proc').flatMap((entry) => {
    if (!/^\d+$/.test(entry)) return [];
    try {
      const line = readFileSync(`/proc/${entry}/cmdline`, 'utf8');
      return line.includes(folder) ? [line] : [];
    } catch {
      return [];
    }
  });
}
