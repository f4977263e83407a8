import { StatusError } from '@tapestry/status';
import { sql } from 'kysely';
import { afterEach, expect, test, vi } from 'vitest';
import { Leadership, type LeadershipOptions, type Migrations, type Store } from '../src/index.ts';
import { withPostgres } from './fixture.ts';

interface Db {
  notes: { text: string };
}

const migrations: Migrations = {
  '0001-notes': async (tx) => {
    await sql`create table notes (text text not null)`.execute(tx);
  },
};

const fixture = withPostgres();
const running: Leadership<Db>[] = [];

afterEach(async () => {
  for (const leadership of running.splice(0)) await leadership.stop();
});

function lead(store: Store<Db>, options: LeadershipOptions): Leadership<Db> {
  // Longer than a busy machine may keep this process waiting: a lease that runs out for that is no fault.
  const leadership = new Leadership(store, { leaseMs: 2_000, ...options });
  running.push(leadership);
  leadership.start();
  return leadership;
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 10 });
const note = (leadership: Leadership<Db>, text: string) =>
  leadership.write((tx) => tx.insertInto('notes').values({ text }).execute());

async function notes(store: Store<Db>): Promise<string[]> {
  const rows = await store.db.selectFrom('notes').select('text').execute();
  return rows.map((row) => row.text);
}

test('of two contenders one leads; when it stops the other takes over with a higher epoch', async () => {
  const schema = fixture.newSchema();
  const [one, two] = await Promise.all([
    fixture.open<Db>(schema, migrations),
    fixture.open<Db>(schema, migrations),
  ]);
  const a = lead(one, { instance: 'a', leaseMs: 60_000 });
  await until(() => expect(a.state()).toBe('leader'));
  const b = lead(two, { instance: 'b' });
  await note(a, 'by a');
  expect(b.state()).toBe('standby');
  await expect(note(b, 'by b')).rejects.toMatchObject({ status: 'cannotConnect' });
  await a.stop();
  await until(() => expect(b.state()).toBe('leader'));
  expect(b.epoch()).toBe(2n);
  await note(b, 'by b');
  expect(await notes(one)).toEqual(['by a', 'by b']);
});

test('another instance takes over only after the lease ran out; the late leader’s write is refused', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  const lost: bigint[] = [];
  // A leader that does not renew again within this test: as good as a paused process.
  const paused = lead(store, {
    instance: 'a',
    leaseMs: 100_000,
    onLost: (epoch) => lost.push(epoch),
  });
  await until(() => expect(paused.state()).toBe('leader'));
  await sql`update lease set until_ms = 0`.execute(store.db);
  const next = lead(store, { instance: 'b' });
  await until(() => expect(next.state()).toBe('leader'));
  await expect(note(paused, 'stale')).rejects.toThrow(/another instance has led since epoch 1/);
  expect(paused.state()).toBe('lost');
  expect(lost).toEqual([1n]);
  expect(await notes(store)).toEqual([]);
});

test('the same instance name takes over at once, and its older process hears of it', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  const before = lead(store, { instance: 'a' });
  await until(() => expect(before.state()).toBe('leader'));
  const after = lead(store, { instance: 'a', leaseMs: 60_000 });
  await until(() => expect(after.epoch()).toBe(2n));
  await until(() => expect(before.state()).toBe('lost'));
});

test('a takeover waits for a running write, which commits before it', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  const old = lead(store, { instance: 'a', leaseMs: 60_000 });
  await until(() => expect(old.state()).toBe('leader'));
  const order: string[] = [];
  const inside = Promise.withResolvers<void>();
  const finish = Promise.withResolvers<void>();
  const write = old
    .write(async (tx) => {
      inside.resolve();
      await finish.promise;
      await tx.insertInto('notes').values({ text: 'late but in time' }).execute();
      order.push('written');
    })
    .then(() => order.push('committed'));
  await inside.promise;
  const next = lead(store, {
    instance: 'a',
    leaseMs: 60_000,
    onLeader: () => void order.push('taken over'),
  });
  const blocked = () =>
    sql`select 1 from pg_stat_activity
    where application_name = ${store.schema} and wait_event_type = 'Lock'`.execute(store.db);
  await until(async () => expect((await blocked()).rows).toHaveLength(1));
  finish.resolve();
  await write;
  await until(() => expect(next.state()).toBe('leader'));
  expect(order.indexOf('written')).toBeLessThan(order.indexOf('taken over'));
  expect(await notes(store)).toEqual(['late but in time']);
});

test('renewals go on while a write takes longer than the lease', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  const leader = lead(store, { instance: 'a', leaseMs: 2_000 });
  const rival = lead(store, { instance: 'b', leaseMs: 2_000 });
  await until(() => expect([leader.state(), rival.state()]).toContain('leader'));
  const [holder, other] = leader.leads() ? [leader, rival] : [rival, leader];
  await holder.write(async (tx) => {
    await sql`select pg_sleep(5)`.execute(tx);
    await tx.insertInto('notes').values({ text: 'long' }).execute();
  });
  expect(holder.state()).toBe('leader');
  expect(other.state()).toBe('standby');
});

test('without the database nobody acts; afterwards the leader goes on in its epoch', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  const epochs: bigint[] = [];
  const leader = lead(store, { instance: 'a', onLeader: (epoch) => void epochs.push(epoch) });
  await until(() => expect(leader.state()).toBe('leader'));
  await fixture.server().kill();
  await until(() => expect(leader.state()).toBe('notReady'));
  await expect(note(leader, 'x')).rejects.toMatchObject({ status: 'databaseError' });
  await fixture.server().restart();
  await until(() => expect(leader.state()).toBe('leader'));
  await note(leader, 'after');
  expect(epochs).toEqual([1n]);
  expect(await notes(store)).toEqual(['after']);
});

test('it leads only when its start as leader is done, and tries that again', async () => {
  const store = await fixture.open<Db>(fixture.newSchema(), migrations);
  let tries = 0;
  const seen: string[] = [];
  const leader: Leadership<Db> = lead(store, {
    instance: 'a',
    onLeader: async () => {
      seen.push(leader.state());
      // Reconciling may write already: the epoch is taken.
      await note(leader, `reconciled ${++tries}`);
      if (tries === 1) throw new StatusError('cannotConnect', 'planted');
    },
  });
  await until(() => expect(leader.state()).toBe('leader'));
  expect(seen).toEqual(['standby', 'standby']);
  expect(await notes(store)).toEqual(['reconciled 1', 'reconciled 2']);
});
