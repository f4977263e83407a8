// A real file system runs full: 12 MiB of memory, mounted in a name space of the test's own. That is the end of the
// medium, and what was acknowledged before can be read.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const MOUNT = 'mount -t tmpfs -o size=12m none "$0" && exec "$@"';

function onSmallDisk(dir: string, words: readonly string[]) {
  return spawnSync('unshare', ['-Urm', 'sh', '-c', MOUNT, dir, ...words], { encoding: 'utf8' });
}

test('a host without room ends the medium, and loses nothing', ({ skip }) => {
  const dir = mkdtempSync(join(tmpdir(), 'full-'));
  try {
    if (onSmallDisk(dir, ['true']).status !== 0) return skip('mounting is not permitted here');
    const script = join(import.meta.dirname, 'full-host-writer.ts');
    const { stdout, stderr, status } = onSmallDisk(dir, [process.execPath, script, dir]);
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const { tape, disk } = JSON.parse(stdout);
    expect(tape.ended).toMatch(/^end of medium/);
    expect(tape.synced).toBeGreaterThan(100);
    expect(tape.writeProtected).toBe(false);
    expect(tape.blocks).toBeGreaterThanOrEqual(tape.synced);
    expect(tape.blocks).toBeLessThanOrEqual(tape.written);
    expect(tape.marks).toBeGreaterThanOrEqual(tape.synced / 10);
    expect(disk).toEqual({
      ended: 'end of medium',
      ...{ warned: true, full: true, listed: ['keep_1'], emptied: true },
    });
  } finally {
    rmSync(dir, { recursive: true });
  }
});
