import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '@tapestry/processes';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { type RoleAddress, type StatePostgres, startStatePostgres } from '../src/index.ts';

const servers: StatePostgres[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

function newStateDir(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tapestry-state-'));
  folders.push(folder);
  // As /root or a home folder is: nobody else passes through.
  const stateDir = join(folder, 'closed/state');
  mkdirSync(join(folder, 'closed'), { mode: 0o700 });
  return stateDir;
}

async function start(stateDir: string): Promise<StatePostgres> {
  const server = await startStatePostgres({ stateDir, database: 'tapestry', roles: ['nbjm'] });
  servers.push(server);
  const { folder } = JSON.parse(readFileSync(join(stateDir, 'postgres.json'), 'utf8'));
  folders.push(folder);
  return server;
}

async function query(address: RoleAddress, text: string, password?: string) {
  const { passwordFile, ...rest } = address;
  const given = password ?? readFileSync(passwordFile, 'utf8').trim();
  const client = new pg.Client({ ...rest, password: given });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test('keeps its state below a folder that only we can pass, over a crash of everything', async () => {
  const stateDir = newStateDir();
  const child = fork(join(import.meta.dirname, 'start-and-die.ts'), [stateDir]);
  const [message] = (await once(child, 'message', { signal: AbortSignal.timeout(30_000) })) as [
    { pid: number },
  ];
  expect(isAlive(message.pid)).toBe(true);
  await expect(start(stateDir)).rejects.toMatchObject({ status: 'daemonAlreadyRunning' });
  child.kill('SIGKILL');
  await once(child, 'exit');
  expect(isAlive(message.pid)).toBe(true);

  const server = await start(stateDir);
  expect(isAlive(message.pid)).toBe(false);
  expect(await query(server.roleAddress('nbjm'), 'select n from kept')).toEqual([{ n: 1 }]);
  expect(await query(server.roleAddress('nbjm'), 'show fsync')).toEqual([{ fsync: 'on' }]);
});

test('a role needs its password, which only we can read', async () => {
  const server = await start(newStateDir());
  const address = server.roleAddress('nbjm');
  expect(statSync(address.passwordFile).mode & 0o777).toBe(0o400);
  await expect(query(address, 'select 1', 'wrong')).rejects.toThrow(/password authentication/);
});

test('a state of another major version is refused with what to do', async () => {
  const stateDir = newStateDir();
  mkdirSync(stateDir, { recursive: true });
  const record = { major: 17, folder: join(stateDir, 'postgres') };
  writeFileSync(join(stateDir, 'postgres.json'), JSON.stringify(record));
  await expect(start(stateDir)).rejects.toThrow(
    /PostgreSQL 17.*run the release that made it.*--state/,
  );
});
