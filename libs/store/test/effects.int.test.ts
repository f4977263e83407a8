import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { sql } from 'kysely';
import { afterEach, expect, test, vi } from 'vitest';
import {
  type EffectHandlers,
  EffectRunner,
  type EffectRunnerOptions,
  Effects,
  type LeaderGate,
  type Store,
} from '../src/index.ts';
import { withPostgres } from './fixture.ts';

interface Kinds {
  say: { text: string; job: bigint };
}
type Db = Record<never, never>;
type Options = EffectRunnerOptions<Db, Kinds>;

const fixture = withPostgres();
const runners: EffectRunner<Db, Kinds>[] = [];

afterEach(async () => {
  for (const runner of runners.splice(0)) await runner.stop();
});

function alwaysLeads(store: Store<Db>): LeaderGate<Db> {
  return { leads: () => true, write: (fn) => store.transaction(fn) };
}

async function setUp(say: EffectHandlers<Kinds>['say'], more: Partial<Options> = {}) {
  const store = await fixture.open<Db>(fixture.newSchema());
  const effects = new Effects<Kinds>();
  const runner = new EffectRunner<Db, Kinds>({
    store,
    effects,
    gate: alwaysLeads(store),
    handlers: { say },
    backoff: { firstMs: 20, capMs: 50 },
    // Long, so that these tests show the wake-up and not the poll.
    pollMs: 600_000,
    ...more,
  });
  runners.push(runner);
  const say1 = (key: string, options: { lane?: string; dueMs?: number } = {}) =>
    store.transaction((tx) =>
      effects.enqueue(tx, { kind: 'say', key, payload: { text: key, job: 7n }, ...options }),
    );
  return { store, effects, runner, enqueue: say1 };
}

async function states(store: Store<Db>): Promise<Record<string, string>> {
  const { rows } = await sql<{ key: string; state: string }>`select key, state from effects
    order by id`.execute(store.db);
  return Object.fromEntries(rows.map((row) => [row.key, row.state]));
}

const until = (check: () => void | Promise<void>) =>
  vi.waitFor(check, { timeout: 30_000, interval: 10 });

test('an effect runs right after its commit, and not when the transaction is undone', async () => {
  const said: unknown[] = [];
  const { store, effects, runner, enqueue } = await setUp(async (payload) => {
    said.push(payload);
  });
  runner.start();
  const undone = store.transaction(async (tx) => {
    await effects.enqueue(tx, { kind: 'say', key: 'no', payload: { text: 'no', job: 1n } });
    throw new StatusError('systemError', 'planted');
  });
  await expect(undone).rejects.toThrow('planted');
  expect(await enqueue('yes')).toBe(true);
  await until(async () => expect(await states(store)).toEqual({ yes: 'done' }));
  expect(said).toEqual([{ text: 'yes', job: 7n }]);
  expect(await enqueue('yes')).toBe(false);
});

test('a lane keeps its order over failures, and other lanes do not wait for it', async () => {
  const said: string[] = [];
  const { store, runner, enqueue } = await setUp(async ({ text }, { tries }) => {
    // Fails for as long as the other lane has not run: had that to wait, nothing would ever run.
    if (text === 'a1' && (tries < 4 || !said.includes('b1'))) {
      throw new StatusError('cannotConnect', 'planted');
    }
    said.push(text);
  });
  for (const key of ['a1', 'a2', 'a3']) await enqueue(key, { lane: 'a' });
  await enqueue('b1', { lane: 'b' });
  runner.start();
  await until(() => expect(said).toHaveLength(4));
  expect(said).toEqual(['b1', 'a1', 'a2', 'a3']);
  const { rows } = await sql<{ tries: number }>`select tries from effects where key = 'a1'`.execute(
    store.db,
  );
  expect(rows[0]?.tries).toBeGreaterThanOrEqual(4);
});

test('at most concurrencyMax effects run at once, and all of them run', async () => {
  let now = 0;
  let most = 0;
  const three = Promise.withResolvers<void>();
  const { store, runner, enqueue } = await setUp(
    async () => {
      most = Math.max(most, ++now);
      // The first wait until three run: were fewer allowed, none would end.
      if (now === 3) three.resolve();
      await three.promise;
      await sql`select pg_sleep(0.01)`.execute(store.db);
      now--;
    },
    { concurrencyMax: 3 },
  );
  for (let i = 0; i < 20; i++) await enqueue(`k${i}`);
  runner.start();
  await until(async () =>
    expect(new Set(Object.values(await states(store)))).toEqual(new Set(['done'])),
  );
  expect(most).toBe(3);
});

test('a follow-up is saved with the end of its effect, or neither is', async () => {
  const store = await fixture.open<Db>(fixture.newSchema());
  await sql`create table followed (text text)`.execute(store.db);
  const effects = new Effects<Kinds>();
  const seen: unknown[] = [];
  let tries = 0;
  const runner = new EffectRunner<Db, Kinds>({
    ...{ store, effects, gate: alwaysLeads(store), pollMs: 600_000 },
    handlers: {
      say:
        async ({ text }) =>
        async (tx) => {
          await sql`insert into followed values (${text})`.execute(tx);
          const { rows } = await sql`select state from effects`.execute(tx);
          seen.push(...rows);
          tries += 1;
          if (tries === 1) throw new StatusError('databaseError', 'planted');
        },
    },
  });
  runners.push(runner);
  runner.start();
  await store.transaction((tx) =>
    effects.enqueue(tx, { kind: 'say', key: 'k', payload: { text: 'once', job: 1n } }),
  );
  await until(async () => expect(await states(store)).toEqual({ k: 'done' }));
  expect(seen).toEqual([{ state: 'pending' }, { state: 'pending' }]);
  const { rows } = await sql`select text from followed`.execute(store.db);
  expect(rows).toEqual([{ text: 'once' }]);
});

test('a failure for good is recorded in the transaction that ends the effect', async () => {
  const failures: unknown[] = [];
  const { store, runner, enqueue } = await setUp(
    async () => {
      throw new StatusError('staleGrant', 'planted');
    },
    {
      onPermanentFailure: async (tx, failure) => {
        const { rows } = await sql`select state from effects`.execute(tx);
        failures.push([failure.key, failure.payload.job, failure.error.status, rows]);
      },
    },
  );
  runner.start();
  await enqueue('k');
  await until(async () => expect(await states(store)).toEqual({ k: 'failed' }));
  expect(failures).toEqual([['k', 7n, 'staleGrant', [{ state: 'failed' }]]]);
});

test('a superseded effect does not start, and one that runs has its signal aborted', async () => {
  const reasons: unknown[] = [];
  const { store, effects, runner, enqueue } = await setUp(async (_, { signal }) => {
    await once(signal, 'abort').catch(() => {});
    reasons.push(signal.reason);
    signal.throwIfAborted();
  });
  runner.start();
  await enqueue('job/1/start', { lane: 'job/1' });
  await enqueue('job/1/log', { lane: 'job/1' });
  await enqueue('job/12/later', { dueMs: Date.now() + 3_600_000 });
  await until(() => expect(runner.runningCount()).toBe(1));
  const given = await store.transaction((tx) => effects.supersede(tx, 'job/1/'));
  expect(given).toBe(2);
  await until(() => expect(runner.runningCount()).toBe(0));
  expect(await states(store)).toEqual({
    'job/1/start': 'superseded',
    'job/1/log': 'superseded',
    'job/12/later': 'pending',
  });
  expect(reasons).toMatchObject([{ status: 'cancelled' }]);
});

test('an effect with a due time waits for it', async () => {
  const said: number[] = [];
  const { runner, enqueue } = await setUp(async () => void said.push(Date.now()));
  runner.start();
  const dueMs = Date.now() + 150;
  await enqueue('timer', { dueMs });
  await until(() => expect(said).toHaveLength(1));
  expect(said[0]).toBeGreaterThanOrEqual(dueMs);
});

test('a handler that never answers is cut off and tried again', async () => {
  const tries: number[] = [];
  const { store, runner, enqueue } = await setUp(
    async (_, effect) => {
      tries.push(effect.tries);
      if (effect.tries === 1) await new Promise(() => {});
    },
    { tryTimeoutMs: 50 },
  );
  runner.start();
  await enqueue('k');
  await until(async () => expect(await states(store)).toEqual({ k: 'done' }));
  expect(tries).toEqual([1, 2]);
});

test('a bug in a handler stops the runner and leaves the effect pending', async () => {
  const bugs: unknown[] = [];
  const { store, runner, enqueue } = await setUp(
    async () => {
      throw new TypeError('planted');
    },
    { onBug: (error) => bugs.push(error) },
  );
  runner.start();
  await enqueue('k');
  await until(() => expect(bugs).toMatchObject([{ message: 'planted' }]));
  expect(await states(store)).toEqual({ k: 'pending' });
});

test('nothing runs while this instance does not lead', async () => {
  const said: string[] = [];
  let leads = false;
  const { store, runner, enqueue } = await setUp(async ({ text }) => void said.push(text), {
    pollMs: 20,
    gate: { leads: () => leads, write: (fn) => store.transaction(fn) },
  });
  runner.start();
  await enqueue('k');
  await store.ping();
  expect(said).toEqual([]);
  leads = true;
  await until(() => expect(said).toEqual(['k']));
});

test('the outcome of an effect survives a database that goes away under it', async () => {
  const said: string[] = [];
  const killed = Promise.withResolvers<void>();
  const { store, runner, enqueue } = await setUp(
    async ({ text }) => {
      said.push(text);
      if (said.length > 1) return;
      await fixture.server().kill();
      killed.resolve();
    },
    { pollMs: 100 },
  );
  runner.start();
  await enqueue('first', { lane: 'l' });
  await killed.promise;
  expect(said).toEqual(['first']);
  await fixture.server().restart();
  await enqueue('second', { lane: 'l' });
  await until(async () => expect(await states(store)).toEqual({ first: 'done', second: 'done' }));
  expect(said).toEqual(['first', 'second']);
});

test('what a killed process committed and did not do is done at the next start', async () => {
  const said: string[] = [];
  const { store, runner } = await setUp(async ({ text }) => void said.push(text));
  const child = fork(join(import.meta.dirname, 'crash-after-commit.ts'), [
    fixture.server().url(),
    store.schema,
  ]);
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null];
  expect(signal).toBe('SIGKILL');
  // 'one' ran in the child, which died before it could say so: at least once means once more.
  expect(await states(store)).toEqual({ one: 'pending', two: 'pending' });
  runner.start();
  await until(() => expect(said).toEqual(['one', 'two']));
});
