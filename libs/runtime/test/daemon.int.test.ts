// A daemon's life around its handlers: health, readiness, drain, details, on a real bus.

import {
  eventually,
  fakeService,
  startTestBus,
  startTestDaemon,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type DaemonContext, type DaemonDefinition, tellDetail } from '../src/index.ts';

let bus: TestBus;
let context: DaemonContext<{ pauseMs: number }>;
let begun = 0;

const definition = {
  service: 'bprd',
  config: z.object({ pauseMs: z.coerce.number().default(0) }).strict(),
  async start(ctx: DaemonContext<{ pauseMs: number }>) {
    context = ctx;
    return {
      handlers: {
        SubmitBackup: async () => {
          begun += 1;
          await new Promise((resolve) => setTimeout(resolve, ctx.config.pauseMs));
          return { jobIds: [7n] };
        },
        SubmitRestore: async () => {
          throw new TypeError('a bug');
        },
        SubmitLabel: async () => ({ jobId: 8n }),
      },
    };
  },
} satisfies DaemonDefinition<'bprd', z.ZodType<{ pauseMs: number }>>;

beforeAll(async () => {
  bus = await startTestBus();
});

afterAll(() => bus.stop());

test('it is live, ready, measured and heard of', async () => {
  const beats: string[] = [];
  const console_ = await bus.as({ service: 'console' });
  await console_.hear('Heartbeat', (beat) => beats.push(`${beat.service} ${beat.pid}`));
  const daemon = await startTestDaemon(definition, bus);
  expect((await fetch(`${daemon.httpUrl}/livez`)).status).toBe(200);
  expect(await (await fetch(`${daemon.httpUrl}/readyz`)).json()).toMatchObject({ ready: true });
  context.health.notReady('no database');
  const unready = await fetch(`${daemon.httpUrl}/readyz`);
  expect([unready.status, await unready.json()]).toMatchObject([503, { reason: 'no database' }]);
  await (await bus.as({ service: 'cli' })).client('bprd').SubmitBackup({});
  const metrics = await (await fetch(`${daemon.httpUrl}/metrics`)).text();
  expect(metrics).toMatch(
    /tapestry_call_seconds_count\{.*method="SubmitBackup".*caller="cli".*\} 1/,
  );
  await eventually('its heartbeat', () => beats.includes(`bprd ${process.pid}`));
  await daemon.stop();
});

test('a daemon whose port is taken takes no call on its way out', async () => {
  const first = await startTestDaemon(definition, bus);
  const { port } = new URL(first.httpUrl);
  const before = begun;
  const own = await startTestBus();
  const answer = (await own.as({ service: 'cli' })).client('bprd').SubmitBackup({});
  const second = startTestDaemon(definition, own, { env: { TAPESTRY_HTTP_PORT: port } });
  await expect(second).rejects.toThrow(/EADDRINUSE/);
  await expect(answer).rejects.toMatchObject({ code: 25 });
  expect(begun).toBe(before);
  await first.stop();
  await own.stop();
});

test('a bug in a handler is a system error for the asker, and the daemon goes on', async () => {
  const daemon = await startTestDaemon(definition, bus);
  const client = (await bus.as({ service: 'cli' })).client('bprd');
  await expect(client.SubmitRestore({})).rejects.toMatchObject({ status: 'systemError' });
  expect(await client.SubmitBackup({})).toEqual({ jobIds: [7n] });
  await daemon.stop();
});

test('a stop waits for the calls that run', async () => {
  const daemon = await startTestDaemon(definition, bus, { env: { BPRD_PAUSE_MS: '300' } });
  const before = begun;
  const answer = (await bus.as({ service: 'cli' })).client('bprd').SubmitBackup({});
  await eventually('the call runs', () => begun > before);
  await daemon.stop();
  expect(await answer).toEqual({ jobIds: [7n] });
});

test('detail lines told while the bus is away arrive when it is back, each once', async () => {
  const lines: string[] = [];
  const bpjobd = await bus.as({ service: 'bpjobd' });
  const reader = await bpjobd.consume('JobDetail', async (line) => void lines.push(line.text));
  const nbjm = await bus.as({ service: 'nbjm' });
  await bus.kill();
  for (const text of ['first', 'second']) {
    tellDetail(nbjm, { attempt: { jobId: 1n, try: 1 }, producer: 'nbjm', text, key: text });
  }
  await bus.restart();
  await eventually('both lines', () => lines.length >= 2 || undefined);
  expect(lines).toEqual(['first', 'second']);
  await reader.stop();
});

test('a fake neighbour records what it was asked', async () => {
  const nbjm = await fakeService(await bus.as({ service: 'nbjm' }), 'nbjm', {
    SubmitJob: async () => ({ jobId: 1n }),
  });
  await (await bus.as({ service: 'bprd' })).client('nbjm').SubmitJob({ key: 'k' });
  expect((await nbjm.waitFor('SubmitJob')).key).toBe('k');
  await expect(nbjm.waitFor('CancelJob', { timeoutMs: 50 })).rejects.toThrow(/SubmitJob/);
  await nbjm.stop();
});
