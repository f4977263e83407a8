import { chmodSync, mkdtempSync, statSync, symlinkSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { isAlive } from '@tapestry/processes';
import pg from 'pg';
import { afterEach, expect, test } from 'vitest';
import { type PostgresServer, provision, startPostgres } from '../src/index.ts';

const servers: PostgresServer[] = [];
const folders: string[] = [];

afterEach(async () => {
  for (const server of servers.splice(0)) await server.stop();
  for (const folder of folders.splice(0)) await rm(folder, { recursive: true, force: true });
});

async function start(folder = newFolder()): Promise<PostgresServer> {
  const server = await startPostgres({ folder, durability: 'scratch' });
  servers.push(server);
  return server;
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'tapestry-servers-'));
  folders.push(folder);
  return folder;
}

async function query(url: string, text: string, password?: string) {
  const client = new pg.Client({ connectionString: url, ...(password ? { password } : {}) });
  await client.connect();
  try {
    return (await client.query(text)).rows;
  } finally {
    await client.end();
  }
}

test('keeps committed rows over kill, restart and stop', async () => {
  const server = await start();
  await query(server.url(), 'create table t (n int); insert into t values (7)');
  const first = server.pid();
  await server.kill();
  expect(isAlive(first)).toBe(false);
  await server.restart();
  expect(await query(server.url(), 'select n from t')).toEqual([{ n: 7 }]);
  await server.stop();
  expect(isAlive(server.pid())).toBe(false);
  await expect(query(server.url(), 'select 1')).rejects.toThrow();
});

test('the socket folder is closed to others, and root hands the server to nobody', async () => {
  const server = await start();
  expect(statSync(server.socketDir).mode & 0o777).toBe(0o700);
  const uid = statSync(`/proc/${server.pid()}`).uid;
  if (process.getuid?.() === 0) expect(uid).not.toBe(0);
  else expect(uid).toBe(process.getuid?.());
});

test('a folder with a long path has its socket elsewhere, in a private folder as well', async () => {
  const folder = newFolder();
  chmodSync(folder, 0o755);
  const server = await start(join(folder, 'a'.repeat(100)));
  folders.push(server.socketDir);
  expect(server.socketDir.length).toBeLessThan(85);
  expect(statSync(server.socketDir).mode & 0o777).toBe(0o700);
  expect(await query(server.url(), 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('ends a server that a crash left on the folder before it starts one', async () => {
  const folder = newFolder();
  chmodSync(folder, 0o755);
  const left = await start(join(folder, 'pg'));
  // The same folder by another name: what runs in it is found all the same.
  const link = `${folder}.link`;
  symlinkSync(folder, link);
  folders.push(link);
  const next = await start(join(link, 'pg'));
  expect(isAlive(left.pid())).toBe(false);
  expect(await query(next.url(), 'select 1 as one')).toEqual([{ one: 1 }]);
});

test('a role sees its own schema and no other', async () => {
  const server = await start();
  const roles = [{ name: 'nbjm' }, { name: 'nbrb' }];
  await provision({ server, database: 'tapestry', roles });
  await provision({ server, database: 'tapestry', roles });
  await query(server.url('nbjm', 'tapestry'), 'create table nbjm.jobs (id int)');
  const asOther = server.url('nbrb', 'tapestry');
  await expect(query(asOther, 'select * from nbjm.jobs')).rejects.toThrow(/permission denied/);
  await expect(query(asOther, 'create table public.t (id int)')).rejects.toThrow(
    /permission denied/,
  );
});
