// The devices of the API on a real bus: libraries, pages of volumes, drives set up and down, and what the stream tells.

import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { DRIVE_AT, largeScene, SLOT_AT, smallScene } from './device-scenes.ts';
import type { DeviceStage } from './device-stage.ts';
import { readSse } from './sse-reader.ts';
import { type Stage, startStage } from './stage.ts';

/** For a machine that does much else; no test asks how long something took. */
const PATIENCE_MS = 180_000;

let stage: Stage;
let devices: DeviceStage;
let cookie: string;

beforeAll(async () => {
  stage = await startStage();
  cookie = await stage.logIn();
  devices = await stage.playDevices(smallScene(Date.now()));
}, PATIENCE_MS);

afterAll(async () => {
  await stage?.stop();
});

const ask = async (path: string, init: RequestInit = {}): Promise<[number, unknown]> => {
  const headers = { cookie, 'content-type': 'application/json' };
  const response = await fetch(`${stage.url}${path}`, { headers, ...init });
  return [response.status, await response.json()];
};

test(
  'a library is what its robot says; without it, what the records say; another does not exist',
  async () => {
    const [, shape] = await ask('/api/robots/0');
    expect(shape).toMatchObject({ source: 'robot', problem: '', moving: null });
    devices.hideRobot(true);
    const [status, records] = await ask('/api/robots/0');
    devices.hideRobot(false);
    expect(status).toBe(200);
    expect(records).toMatchObject({ source: 'records', problem: expect.stringContaining('130') });
    expect((await ask('/api/robots/7'))[0]).toBe(404);
    expect((await ask('/api/robots/all'))[0]).toBe(400);
  },
  PATIENCE_MS,
);

test(
  'volumes come in pages, by state, with the counts of all',
  async () => {
    devices.change(largeScene(Date.now(), 1_000, 12_000));
    const [, first] = await ask('/api/volumes?state=frozen&state=expired&limit=2&text=a0');
    const { volumes, next, counts } = first as Record<string, never>;
    expect(volumes).toMatchObject([
      { mediaId: 'A00014', state: 'frozen', robotNumber: 0, slot: 14 },
      { mediaId: 'A00041', state: 'expired' },
    ]);
    expect(next).toBe('A00041');
    expect(counts).toMatchObject({ frozen: expect.any(Number), scratch: expect.any(Number) });
    const [, second] = await ask(`/api/volumes?state=frozen&limit=1&text=a0&after=${next}`);
    expect(second).toMatchObject({ volumes: [{ mediaId: 'A00111' }] });
    expect((await ask('/api/volumes?state=lost'))[0]).toBe(400);
    devices.change(smallScene(Date.now()));
  },
  PATIENCE_MS,
);

test(
  'a drive is set down under the name of who did it',
  async () => {
    const body = JSON.stringify({ up: false });
    expect(await ask('/api/drives/drive1/state', { method: 'POST', body })).toEqual([
      ...[200, { done: true }],
    ]);
    expect(devices.nbemm.requests('SetDriveState').at(-1)).toEqual({
      ...{ name: 'drive1', up: false, reason: 'set down by operator' },
    });
    const [, view] = await ask('/api/devices');
    expect(view).toMatchObject({
      drives: [{ state: 'idle' }, { name: 'drive1', state: 'down' }],
      problems: [],
    });
  },
  PATIENCE_MS,
);

test(
  'the stream tells of the arm at once, and of changed devices once for many',
  async () => {
    const live = await readSse(`${stage.url}/api/events`, { cookie });
    await eventually('hello', () => live.events[0]);
    await devices.begin(SLOT_AT, DRIVE_AT);
    await devices.end(SLOT_AT, DRIVE_AT);
    const moves = () => live.events.filter(({ event }) => event === 'robot');
    await eventually('both ends', () => moves().length === 2);
    const move = { robotNumber: 0, host: 'media1', from: SLOT_AT, to: DRIVE_AT };
    expect(moves().map(({ data }) => data)).toEqual([
      { ...move, phase: 'began' },
      { ...move, phase: 'made' },
    ]);
    const nbemm = await stage.bus.as({ service: 'nbemm' });
    for (let n = 1n; n <= 20n; n += 1n) {
      await nbemm.publish('ResourcesChanged', { what: 'volume A00001', sequence: n });
    }
    const changes = () => live.events.filter(({ event }) => event === 'devices');
    await eventually('changed', () => changes().length > 0);
    expect(changes().length).toBeLessThan(20);
    live.close();
  },
  PATIENCE_MS,
);
