// The stream of events over HTTP against a real bus: it misses nothing, or says so.

import { connect } from 'node:net';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readSse, type SseReader } from './sse-reader.ts';
import { logIn, type Stage, startStage } from './stage.ts';

/** For a machine that does much else; no test asks how long something took. */
const PATIENCE_MS = 180_000;

let stage: Stage;
let cookie: string;

beforeAll(async () => {
  stage = await startStage();
  cookie = await stage.logIn();
}, PATIENCE_MS);

afterAll(async () => {
  await stage?.stop();
});

const ask = (path: string, init: RequestInit = {}): Promise<Response> =>
  fetch(`${stage.url}${path}`, { ...init, headers: { cookie, ...init.headers } });

const changes = (reader: SseReader): SseReader['events'] =>
  reader.events.filter(({ event }) => event === 'change');

test(
  'a stream goes on where it stopped, and says when it cannot',
  async () => {
    const start = (await (await ask('/api/jobs?limit=1')).json()) as { cursor: string };
    const live = await readSse(`${stage.url}/api/events?after=${start.cursor}`, { cookie });
    await stage.put({ jobId: 3_000n, state: 'JOB_STATE_QUEUED' });
    await stage.put({ jobId: 3_000n, state: 'JOB_STATE_ACTIVE' });
    const seen = await eventually('two changes', () =>
      changes(live).length === 2 ? changes(live) : undefined,
    );
    live.close();

    const back = await readSse(`${stage.url}/api/events`, {
      cookie,
      'last-event-id': seen[0]!.id,
    });
    await eventually('the missed change', () => (changes(back).length === 1 ? true : undefined));
    expect(back.events[0]).toMatchObject({ event: 'hello', data: { resumed: true } });
    expect(changes(back)[0]).toMatchObject({
      id: seen[1]!.id,
      data: { job: { outcome: 'active' } },
    });

    stage.loseChange({ jobId: 3_001n });
    await stage.put({ jobId: 3_002n });
    await eventually('a change after a gap', () => back.events.at(-2)?.event === 'gap');
    expect(back.events.at(-1)).toMatchObject({ event: 'change', data: { job: { jobId: 3_002 } } });
    back.close();

    const stale = await readSse(`${stage.url}/api/events`, {
      cookie,
      'last-event-id': seen[1]!.id,
    });
    await eventually('hello', () => stale.events[0]);
    expect(stale.events[0]).toMatchObject({ event: 'hello', data: { resumed: false } });
    stale.close();
  },
  PATIENCE_MS,
);

test(
  'a restarted bpjobd, and a bus that was away, are gaps',
  async () => {
    await stage.beat('bpjobd', { pid: 10, startedMs: 1n });
    await eventually('bpjobd is known', async () =>
      JSON.stringify(await (await ask('/api/daemons')).json()).includes('bpjobd'),
    );
    const live = await readSse(`${stage.url}/api/events`, { cookie });
    await stage.beat('bpjobd', { pid: 11, startedMs: 2n });
    await eventually('a gap', () => live.events.find(({ event }) => event === 'gap'));
    const gaps = live.events.filter(({ event }) => event === 'gap').length;
    await stage.bus.kill();
    await eventually('the bus is seen to be away', () =>
      live.events.find(({ data }) => (data as { bus?: boolean }).bus === false),
    );
    await stage.bus.restart();
    await eventually(
      'another gap',
      () => live.events.filter(({ event }) => event === 'gap').length > gaps,
    );
    live.close();
  },
  PATIENCE_MS,
);

test(
  'a lost change that no other follows is found by asking bpjobd',
  async () => {
    const live = await readSse(`${stage.url}/api/events`, { cookie });
    await stage.put({ jobId: 3_010n });
    await eventually('a change', () => changes(live)[0]);
    stage.loseChange({ jobId: 3_011n });
    await eventually('a gap', () => live.events.find(({ event }) => event === 'gap'), 60_000);
    live.close();
  },
  PATIENCE_MS,
);

test(
  'a reader that does not read is cut off, the others go on',
  async () => {
    const { hostname, port } = new URL(stage.url);
    const slow = connect(Number(port), hostname);
    slow.write(`GET /api/events HTTP/1.1\r\nhost: x\r\ncookie: ${cookie}\r\n\r\n`);
    slow.pause();
    const quick = await readSse(`${stage.url}/api/events`, { cookie });
    const cut = new Promise<void>((resolve) => slow.once('close', () => resolve()));
    slow.on('error', () => undefined);
    const path = 'x'.repeat(16_000);
    for (let told = 1; told <= 1_000; told += 1) {
      await stage.put({ jobId: 4_000n, state: 'JOB_STATE_ACTIVE', path, bytes: BigInt(told) });
      if (told % 20 !== 0) continue;
      await eventually(
        'the quick reader has all',
        () => changes(quick).length === told || undefined,
      );
    }
    quick.close();
    slow.resume();
    await cut;
  },
  PATIENCE_MS,
);

test(
  'an open stream ends with the login that opened it',
  async () => {
    const own = await logIn(stage.url);
    const live = await readSse(`${stage.url}/api/events`, { cookie: own });
    await ask('/api/session', { method: 'DELETE', headers: { cookie: own } });
    await live.ended;
    expect(live.events.at(-1)).toMatchObject({ event: 'bye' });
  },
  PATIENCE_MS,
);
