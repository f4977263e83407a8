// The files in bin/ as people call them: from any folder, through links, with a system found by its environment or
// its state folder.

import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { fakeService, startTestBus, type TestBus } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { COMMAND_NAMES } from '../src/commands.ts';
import { jobRow, policyRow } from './rows.ts';

const BIN = resolve(import.meta.dirname, '../../../bin');
const run = promisify(execFile);

let dir: string;
let bus: TestBus;

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tapestry-bin-'));
  bus = await startTestBus();
  mkdirSync(join(dir, 'run'));
  mkdirSync(join(dir, 'secrets/bus'), { recursive: true });
  writeFileSync(join(dir, 'secrets/bus/cli'), `${bus.passwordOf({ service: 'cli' })}\n`);
  writeFileSync(join(dir, 'run/system.json'), JSON.stringify({ natsUrl: bus.url, host: 'media1' }));
});
afterAll(async () => {
  await bus.stop();
  rmSync(dir, { recursive: true, force: true });
});

interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function bin(file: string, words: string[], env: Record<string, string>): Promise<Ended> {
  const options = { cwd: dir, env: { PATH: process.env.PATH ?? '', ...env } };
  try {
    return { code: 0, ...(await run(file, words, options)) };
  } catch (error) {
    return error as Ended;
  }
}

test('every command has its file, which may be run', () => {
  const files = readdirSync(BIN);
  for (const name of [...COMMAND_NAMES, 'bp.start_all', 'bp.kill_all', 'bpps']) {
    expect(files).toContain(name);
    expect(statSync(join(BIN, name)).mode & 0o111).toBe(0o111);
  }
});

test('a command works from another folder, through a link, with a state folder', async () => {
  const service = await bus.as({ service: 'bpdbm' });
  const bpdbm = await fakeService(service, 'bpdbm', {
    ListPolicies: async () => ({ policies: [policyRow()] }),
  });
  symlinkSync(join(BIN, 'bppllist'), join(dir, 'link'));
  const ended = await bin(join(dir, 'link'), [], { TAPESTRY_STATE_DIR: '.' });
  expect(ended).toMatchObject({ code: 0, stdout: 'filers\n', stderr: '' });
  await bpdbm.stop();
});

test('a container names the bus itself; nobody there is 25', async () => {
  const env = {
    TAPESTRY_NATS_URL: bus.url,
    TAPESTRY_NATS_PASSWORD_FILE: join(dir, 'secrets/bus/cli'),
  };
  const ended = await bin(join(BIN, 'vmpool'), ['-list_all'], env);
  expect(ended.code).toBe(25);
  expect(ended.stderr).toMatch(/^EXIT STATUS 25: .*\n {2}nbemm does not answer/);
});

test.each([
  ['no system', { TAPESTRY_STATE_DIR: 'nosuch' }, 25, /bp\.start_all starts it/],
  ['no bus', { TAPESTRY_NATS_URL: 'nats://127.0.0.1:9' }, 25, /no bus answers/],
  ['no password', { TAPESTRY_NATS_URL: 'x', TAPESTRY_NATS_PASSWORD_FILE: 'none' }, 116, /none/],
])('%s is told', async (_what, env: Record<string, string>, code, message) => {
  const ended = await bin(join(BIN, 'bppllist'), [], env);
  expect(ended.code).toBe(code);
  expect(ended.stderr).toMatch(message);
});

test('a wrong password is told', async () => {
  writeFileSync(join(dir, 'wrong'), 'wrong\n');
  const ended = await bin(join(BIN, 'bppllist'), [], {
    TAPESTRY_NATS_URL: bus.url,
    TAPESTRY_NATS_PASSWORD_FILE: join(dir, 'wrong'),
  });
  expect(ended.code).toBe(116);
});

test('a password is read from what is piped in', async () => {
  const service = await bus.as({ service: 'nbemm' });
  const nbemm = await fakeService(service, 'nbemm', { AddNdmpHost: async () => ({}) });
  const words = `-add -nh filer1 -filer_user_id backup`;
  await run('/bin/sh', ['-c', `printf 's3 cret\\n' | "${BIN}/tpconfig" ${words}`], {
    cwd: dir,
    env: { PATH: process.env.PATH ?? '', TAPESTRY_STATE_DIR: '.' },
  });
  expect(nbemm.requests('AddNdmpHost')[0]).toMatchObject({ name: 'filer1', password: 's3 cret' });
  await nbemm.stop();
});

test('who interrupts a wait is told that the job goes on', async () => {
  const buses = await Promise.all([bus.as({ service: 'bprd' }), bus.as({ service: 'bpjobd' })]);
  const bprd = await fakeService(buses[0], 'bprd', {
    SubmitBackup: async () => ({ jobIds: [7n] }),
  });
  const bpjobd = await fakeService(buses[1], 'bpjobd', {
    GetJob: async () => ({ job: jobRow() }),
  });
  const child = spawn(join(BIN, 'bpbackup'), ['-i', '-p', 'filers', '-w'], {
    cwd: dir,
    env: { PATH: process.env.PATH ?? '', TAPESTRY_STATE_DIR: '.' },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let told = '';
  child.stderr.on('data', (part: Buffer) => {
    told += part.toString();
  });
  const ended = once(child, 'close');
  await bpjobd.waitFor('GetJob', { count: 2 });
  child.kill('SIGINT');
  expect(await ended).toEqual([130, null]);
  expect(told).toMatch(/Job 7 goes on/);
  await bprd.stop();
  await bpjobd.stop();
});

test('a reader that had enough ends it quietly', async () => {
  const service = await bus.as({ service: 'bpdbm' });
  const many = Array.from({ length: 5_000 }, (_, i) => ({
    path: Buffer.from(`/vol/${'x'.repeat(100)}${i}`),
    type: 'file',
  }));
  const bpdbm = await fakeService(service, 'bpdbm', {
    ListFiles: async () => ({ files: many, more: true }),
  });
  const { stdout, stderr } = await run(
    '/bin/sh',
    ['-c', `"${BIN}/bplist" -C filer1 -R | head -1`],
    { cwd: dir, env: { PATH: process.env.PATH ?? '', TAPESTRY_STATE_DIR: '.' } },
  );
  expect(stdout).toMatch(/^\/vol\/x+0\n$/);
  expect(stderr).toBe('');
  await bpdbm.stop();
});

test.each(['bp.start_all', 'bp.kill_all', 'bpps'])('%s explains itself', async (name) => {
  const ended = await bin(join(BIN, name), ['--help'], {});
  expect(ended.code).toBe(0);
  expect(ended.stdout).toContain(name);
});
