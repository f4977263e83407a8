import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { inspect } from 'node:util';
import { startPostgres } from '@tapestry/servers';
import { StatusError } from '@tapestry/status';
import { sql } from 'kysely';
import { expect, test, vi } from 'vitest';
import {
  afterCommit,
  answerOnce,
  databaseNowMs,
  isUniqueViolation,
  type Migrations,
  openStore,
  purge,
  type StoreConnection,
  toJsonText,
} from '../src/index.ts';
import { withPostgres } from './fixture.ts';
import { quietLog } from './quiet-log.ts';

interface Db {
  jobs: { id: bigint; name: string; at_ms: number };
}

const migrations: Migrations = {
  '0001-jobs': async (tx) => {
    await tx.schema
      .createTable('jobs')
      .addColumn('id', 'bigint', (column) => column.primaryKey())
      .addColumn('name', 'text', (column) => column.notNull())
      .addColumn('at_ms', 'double precision', (column) => column.notNull())
      .execute();
  },
};

const fixture = withPostgres();

test('64-bit numbers come back as bigint, times as numbers', async () => {
  const { db } = await fixture.open<Db>(fixture.newSchema(), migrations);
  const row = { id: 2n ** 53n + 1n, name: 'x', at_ms: 1_790_000_000_123 };
  await db.insertInto('jobs').values(row).execute();
  expect(await db.selectFrom('jobs').selectAll().execute()).toEqual([row]);
  const clock = await sql<{ now: number }>`select ${databaseNowMs} now`.execute(db);
  expect(clock.rows[0]?.now).toBeTypeOf('number');
});

test('schemas are brought up to date once, even by two starts at the same time', async () => {
  const schema = fixture.newSchema();
  let runs = 0;
  const counted: Migrations = {
    ...migrations,
    '0002-count': async () => {
      runs++;
    },
  };
  await Promise.all([1, 2, 3].map(() => fixture.open(schema, counted)));
  expect(runs).toBe(1);
  await expect(fixture.open(schema, migrations)).rejects.toThrow(/newer release \(0002-count\)/);
});

test('a migration that fails leaves nothing of itself', async () => {
  const schema = fixture.newSchema();
  const failing: Migrations = {
    ...migrations,
    '0002-fails': async (tx) => {
      await sql`create table half (id int)`.execute(tx);
      throw new StatusError('systemError', 'planted');
    },
  };
  await expect(fixture.open(schema, failing)).rejects.toThrow('planted');
  const { db } = await fixture.open<Db>(schema, migrations);
  await expect(sql`select * from half`.execute(db)).rejects.toThrow(/does not exist/);
});

test('afterCommit runs after a commit, and never after an undone transaction', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  const calls: string[] = [];
  const undone = store.transaction(async (tx) => {
    afterCommit(tx, () => calls.push('undone'));
    throw new StatusError('systemError', 'planted');
  });
  await expect(undone).rejects.toThrow('planted');
  await store.transaction(async (tx) => {
    afterCommit(tx, () => calls.push('done'));
    expect(calls).toEqual([]);
  });
  expect(calls).toEqual(['done']);
});

test('two transactions that deadlock both end well', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  const rows = [1n, 2n].map((id) => ({ id, name: '', at_ms: 0 }));
  await store.db.insertInto('jobs').values(rows).execute();
  const append = (order: bigint[], mark: string) =>
    store.transaction(async (tx) => {
      for (const id of order) {
        await sql`update jobs set name = name || ${mark} where id = ${id}`.execute(tx);
        await sql`select pg_sleep(0.1)`.execute(tx);
      }
    });
  await Promise.all([append([1n, 2n], 'a'), append([2n, 1n], 'b')]);
  const names = await store.db.selectFrom('jobs').select('name').execute();
  for (const { name } of names) expect([...name].sort().join('')).toBe('ab');
});

test('a unique key that exists is told apart from other errors', async () => {
  const { db } = await fixture.open<Db>(fixture.newSchema(), migrations);
  const insert = () => db.insertInto('jobs').values({ id: 1n, name: 'x', at_ms: 0 }).execute();
  await insert();
  const error = await insert().catch((thrown: unknown) => thrown);
  expect(isUniqueViolation(error)).toBe(true);
  expect(isUniqueViolation(error, 'jobs_pkey')).toBe(true);
  expect(isUniqueViolation(error, 'other')).toBe(false);
});

test('a server that went away is a StatusError, and the store works when it is back', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  await store.db.insertInto('jobs').values({ id: 1n, name: 'kept', at_ms: 0 }).execute();
  const midway = store.transaction(async (tx) => {
    await tx.insertInto('jobs').values({ id: 2n, name: 'lost', at_ms: 0 }).execute();
    await fixture.server().kill();
    await tx.insertInto('jobs').values({ id: 3n, name: 'lost', at_ms: 0 }).execute();
  });
  await expect(midway).rejects.toMatchObject({ status: 'databaseError', retryable: true });
  await expect(store.ping()).rejects.toMatchObject({ status: 'databaseError' });
  await fixture.server().restart();
  await vi.waitFor(() => store.ping(), { timeout: 30_000 });
  const rows = await store.db.selectFrom('jobs').select('name').execute();
  expect(rows).toEqual([{ name: 'kept' }]);
});

test('opening waits for a server that starts later, and gives up at its deadline', async () => {
  const connection = { url: fixture.server().url() };
  const schema = fixture.newSchema();
  await fixture.server().kill();
  const options = { connection, schema, migrations, log: quietLog };
  await expect(openStore({ ...options, openTimeoutMs: 200 })).rejects.toMatchObject({
    status: 'databaseError',
  });
  const opening = openStore<Db>(options);
  await fixture.server().restart();
  const store = await opening;
  await store.ping();
  await store.close();
});

test('a password file is used with a URL and with an address, and never shown', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'tapestry-store-'));
  const passwordFile = join(folder, 'secret');
  await writeFile(passwordFile, 'hush-hush\n');
  const pgFolder = join(folder, 'postgres');
  await chmod(folder, 0o755);
  const server = await startPostgres({ folder: pgFolder, durability: 'durable', passwordFile });
  try {
    const connections: StoreConnection[] = [
      { url: server.url(), passwordFile },
      { ...server.address(), passwordFile },
    ];
    for (const connection of connections) {
      const store = await openStore({ connection, schema: 's', migrations: {}, log: quietLog });
      await store.ping();
      await store.close();
    }
    await writeFile(passwordFile, 'wrong-guess\n');
    const refused = openStore({
      connection: connections[0]!,
      schema: 's',
      migrations: {},
      log: quietLog,
    });
    const error = await refused.catch((thrown: unknown) => thrown);
    expect(inspect(error, { depth: 9 })).toMatch(/password authentication failed/);
    expect(inspect(error, { depth: 9 })).not.toMatch(/wrong-guess/);
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
});

test('a repeated key gets the stored answer and changes nothing', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  let runs = 0;
  const submit = (key: string) =>
    store.transaction((tx) =>
      answerOnce(tx, key, async () => {
        runs++;
        await tx
          .insertInto('jobs')
          .values({ id: BigInt(runs), name: key, at_ms: 0 })
          .execute();
        return { job: BigInt(runs), ticket: new Uint8Array([0, 255]), note: undefined };
      }),
    );
  const answers = await Promise.all([submit('Submit/1'), submit('Submit/1'), submit('Submit/1')]);
  for (const answer of answers) {
    expect(answer).toStrictEqual({ job: 1n, ticket: new Uint8Array([0, 255]) });
  }
  expect(runs).toBe(1);
  expect((await submit('Submit/2')).job).toBe(2n);
});

test('a failed change stores no answer, so the next request runs', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  const failing = store.transaction((tx) =>
    answerOnce(tx, 'k', async () => {
      throw new StatusError('resourcesBusy', 'planted');
    }),
  );
  await expect(failing).rejects.toThrow('planted');
  expect(await store.transaction((tx) => answerOnce(tx, 'k', async () => 'second'))).toBe('second');
});

test('answers and ended effects go after their time, pending effects never', async () => {
  const store = await fixture.open<Db>(fixture.newSchema());
  await sql`insert into answers values ('old', 'null', 0), ('new', 'null', ${databaseNowMs})`.execute(
    store.db,
  );
  await sql`insert into effects (kind, key, lane, payload, due_ms, state, created_ms, ended_ms)
    values ('k', 'a', 'a', ${toJsonText(1)}, 0, 'done', 0, 0),
      ('k', 'b', 'b', 'null', 0, 'pending', 0, null),
      ('k', 'c', 'c', 'null', 0, 'done', 0, ${databaseNowMs})`.execute(store.db);
  expect(await purge(store)).toEqual({ answers: 1, effects: 1 });
  const left = await sql<{ key: string }>`select key from effects order by key`.execute(store.db);
  expect(left.rows).toEqual([{ key: 'b' }, { key: 'c' }]);
});
