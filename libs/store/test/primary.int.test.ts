import { StatusError } from '@tapestry/status';
import { expect, test, vi } from 'vitest';
import { type Stoppable, startPrimary } from '../src/index.ts';
import { withPostgres } from './fixture.ts';
import { quietLog } from './quiet-log.ts';

const fixture = withPostgres();

/** One instance of a daemon: what it says of itself, and whether it was made leader. */
async function startInstance(schema: string, instance: string) {
  const shown = { ready: false, leader: false, reason: '' };
  const led: bigint[] = [];
  let stopped = 0;
  const running: Stoppable = await startPrimary({
    context: {
      base: { instance, databaseUrl: fixture.server().url() },
      log: quietLog,
      health: {
        ready: () => Object.assign(shown, { ready: true, reason: '' }),
        notReady: (reason) => Object.assign(shown, { ready: false, reason }),
        leader: (leader) => Object.assign(shown, { leader }),
      },
    },
    schema,
    migrations: {},
    lead: async ({ epoch }) => {
      led.push(epoch);
      return {
        stop: async () => {
          stopped += 1;
        },
      };
    },
  });
  return { shown, led, stopped: () => stopped, stop: () => running.stop() };
}

const until = (check: () => void) => vi.waitFor(check, { timeout: 30_000, interval: 20 });

test('one instance leads, the other waits and takes over when the first stops', async () => {
  const schema = fixture.newSchema();
  const first = await startInstance(schema, 'a');
  await until(() => expect(first.shown).toMatchObject({ ready: true, leader: true }));
  const second = await startInstance(schema, 'b');
  await until(() => expect(second.shown.reason).toMatch(/standby/));
  expect(second.led).toEqual([]);
  await first.stop();
  expect(first.stopped()).toBe(1);
  await until(() => expect(second.shown).toMatchObject({ ready: true, leader: true }));
  expect(second.led[0]).toBeGreaterThan(first.led[0]!);
  await second.stop();
});

test('without a database it says what is missing', async () => {
  const health = { ready: () => {}, notReady: () => {}, leader: () => {} };
  const context = { base: { instance: 'a' }, log: quietLog, health };
  const lead = async () => ({ stop: async () => {} });
  const start = startPrimary({ context, schema: 'x', migrations: {}, lead });
  await expect(start).rejects.toThrow(StatusError);
  await expect(start).rejects.toMatchObject({ code: 152 });
});
