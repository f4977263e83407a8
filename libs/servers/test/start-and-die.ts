// Run by state-postgres.int.test.ts in a process of its own: starts the server of a state folder, saves one
// row, says so, and waits to be killed.

import { readFileSync } from 'node:fs';
import pg from 'pg';
import { startStatePostgres } from '../src/index.ts';

const stateDir = process.argv[2] as string;
const server = await startStatePostgres({ stateDir, database: 'tapestry', roles: ['nbjm'] });
const { passwordFile, ...address } = server.roleAddress('nbjm');
const client = new pg.Client({ ...address, password: readFileSync(passwordFile, 'utf8').trim() });
await client.connect();
await client.query('create table kept (n int)');
await client.query('insert into kept values (1)');
process.send?.({ pid: server.pid() });
