// The systemd unit, as systemd reads it, and against what ndmpd's README says that it needs.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '../..');
const unit = readFileSync(join(import.meta.dirname, 'ndmpd.service'), 'utf8');
const settingOf = (key: string): string => new RegExp(`^${key}=(.*)$`, 'm').exec(unit)?.[1] ?? '';

test('systemd finds nothing to complain of', ({ skip, onTestFinished }) => {
  skip(spawnSync('systemd-analyze', ['--version']).status !== 0, 'systemd-analyze is not here');
  const dir = mkdtempSync(join(tmpdir(), 'tapestry-unit-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const file = join(dir, 'ndmpd.service');
  // Verified with a program that is there.
  writeFileSync(file, unit.replace('/opt/tapestry/', `${ROOT}/`));
  const checked = spawnSync('systemd-analyze', ['verify', '--man=no', file], { encoding: 'utf8' });
  const complaints = checked.stderr.split('\n').filter((line) => line.includes('ndmpd.service'));
  expect(complaints).toEqual([]);
});

test('it gives the capabilities that the README names, and no other', () => {
  const readme = readFileSync(join(ROOT, 'apps/ndmpd/README.md'), 'utf8');
  const named = Array.from(readme.matchAll(/`(CAP_[A-Z_]+)`/g), ([, name]) => name);
  for (const key of ['AmbientCapabilities', 'CapabilityBoundingSet']) {
    expect(settingOf(key).split(' ').sort()).toEqual([...new Set(named)].sort());
  }
});

test('every option that it gives is one of ndmpd', () => {
  const help = execFileSync(join(ROOT, 'bin/ndmpd'), ['--help'], { encoding: 'utf8' });
  const options = settingOf('ExecStart').match(/--[a-z-]+/g) ?? [];
  expect(options.length).toBeGreaterThan(2);
  for (const option of options) expect(help).toContain(option);
});
