import './utc.ts';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type FakedShell, startFakedShell } from './faked-daemons.ts';

const FILER = { name: 'filer1', address: '10.0.0.1', port: 10_001, user: 'backup', auth: 'text' };
const FACTS = [
  { group: 'server', name: 'product', value: 'Filer OS' },
  { group: 'we use', name: 'backup type', value: 'tar; it is offered' },
];

let shell: FakedShell;
let dir: string;
beforeAll(async () => {
  shell = await startFakedShell(['nbemm', 'ndmpagent']);
  dir = mkdtempSync(join(tmpdir(), 'ndmp-probe-'));
  shell.answer('nbemm', {
    ListNdmpHosts: async ({ name }) => ({ hosts: name === 'filer1' ? [FILER] : [] }),
  });
  shell.answer('ndmpagent', { Probe: async () => ({ facts: FACTS }) });
});
afterAll(async () => {
  await shell.stop();
  rmSync(dir, { recursive: true, force: true });
});

test('a filer is asked with what tpconfig stored, and its facts stand under headings', async () => {
  const { status, out } = await shell.run('ndmp-probe filer1', { secret: 'pw' });
  expect(status).toBe(0);
  expect(out).toBe(
    'filer1\n\nserver\n  product:  Filer OS\n\nwe use\n  backup type:  tar; it is offered\n',
  );
  expect(shell.asked('ndmpagent', 'Probe')).toEqual({
    ...{ name: 'filer1', address: '10.0.0.1', port: 10_001, user: 'backup', password: 'pw' },
    ...{ auth: 'text', versionMax: 0 },
  });
});

test('options stand before what is stored, and -json is for programs', async () => {
  const words = 'ndmp-probe other -user u -addr 10.9.9.9 -port 10002 -max_version 3 -json';
  const { out } = await shell.run(words, { secret: 'pw' });
  expect(JSON.parse(out)).toEqual({ host: 'other', facts: FACTS });
  expect(shell.asked('ndmpagent', 'Probe')).toMatchObject({
    ...{ address: '10.9.9.9', port: 10_002, user: 'u', auth: 'md5', versionMax: 3 },
  });
});

test.each([
  'ndmp-probe',
  'ndmp-probe nosuch',
  'ndmp-probe filer1 -auth none',
  'ndmp-probe filer1 -max_version 5',
])('%s is not understood', async (words) => {
  expect((await shell.run(words, { secret: 'pw' })).status).toBe(144);
});

test('the reason of a failure is shown as ndmpagent tells it', async () => {
  shell.answer('ndmpagent', {
    Probe: async () => {
      throw new StatusError(
        'ndmpFailed',
        'filer1: log in: refused; its last words: too many sessions',
      );
    },
  });
  const { status, error } = await shell.run('ndmp-probe filer1', { secret: 'pw' });
  expect(status).toBe(99);
  expect(error).toMatch(/last words: too many sessions/);
});

test('a recorded session is shown with seconds, or only what went wrong', async () => {
  const file = join(dir, 'session.ndmptrace');
  const lines = [
    '# NDMP session 1/1/0 with filer1',
    '1000 . 1 dma> connectOpen version=4',
    'dma 800000000000',
    '1250 ! 2 server< dataConnect to 2: connect',
    '# 12 messages left out',
  ];
  writeFileSync(file, `${lines.join('\n')}\n`);
  const { out } = await shell.run(`ndmp-probe -trace ${file}`);
  expect(out.split('\n')).toEqual([
    lines[0],
    '       0.000  1 dma> connectOpen version=4',
    '!      0.250  2 server< dataConnect to 2: connect',
    lines[4],
    '',
  ]);
  const errors = await shell.run(`ndmp-probe -trace ${file} -errors`);
  expect(errors.out).not.toContain('connectOpen');
  writeFileSync(file, 'something else\n');
  expect((await shell.run(`ndmp-probe -trace ${file}`)).status).not.toBe(0);
  expect((await shell.run(`ndmp-probe -trace ${dir}/nosuch`)).status).toBe(12);
});
