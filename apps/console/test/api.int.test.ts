// The API over HTTP against a real bus: who may ask, and what the answers hold.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { postLogin, type Stage, startStage, USER } from './stage.ts';

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

interface Page {
  jobs: { jobId: number; outcome: string }[];
  next: number | null;
  cursor: string;
  counts: Record<string, number>;
}

const page = async (query = ''): Promise<Page> =>
  (await (await ask(`/api/jobs${query}`)).json()) as Page;

test(
  'nobody is answered without a login',
  async () => {
    const paths = [
      'jobs',
      'jobs/1',
      'throughput',
      'daemons',
      'devices',
      'robots/0',
      'volumes',
      'overview',
    ];
    for (const path of [...paths, 'events', 'session', 'openapi.json']) {
      const response = await fetch(`${stage.url}/api/${path}`);
      expect([path, response.status]).toEqual([path, 401]);
      expect(await response.json()).toMatchObject({ code: 116, name: 'authenticationFailed' });
    }
    const cancel = await fetch(`${stage.url}/api/jobs/1/cancel`, { method: 'POST' });
    expect(cancel.status).toBe(401);
    expect(stage.nbjm.requests('CancelJob')).toEqual([]);
    const down = await fetch(`${stage.url}/api/drives/drive0/state`, { method: 'POST' });
    expect(down.status).toBe(401);
  },
  PATIENCE_MS,
);

test(
  'a login gives a cookie that scripts and other sites cannot use, and a logout ends it',
  async () => {
    const response = await postLogin(stage.url, USER, 'a long enough secret');
    const [set] = response.headers.getSetCookie();
    expect(set).toMatch(/HttpOnly/);
    expect(set).toMatch(/SameSite=Strict/);
    expect(set).toMatch(/Max-Age=43200/);
    const own = set!.split(';')[0]!;
    const me = await ask('/api/session', { headers: { cookie: own } });
    expect(await me.json()).toMatchObject({ user: USER });
    await ask('/api/session', { method: 'DELETE', headers: { cookie: own } });
    expect((await ask('/api/session', { headers: { cookie: own } })).status).toBe(401);
  },
  PATIENCE_MS,
);

test(
  'every answer carries the security headers',
  async () => {
    for (const path of ['/api/jobs', '/', '/activity/7']) {
      const { headers } = await ask(path);
      expect(headers.get('content-security-policy')).toMatch(/default-src 'none'/);
      expect(headers.get('content-security-policy')).not.toMatch(/unsafe/);
      expect(headers.get('x-content-type-options')).toBe('nosniff');
      expect(headers.get('x-frame-options')).toBe('DENY');
    }
  },
  PATIENCE_MS,
);

test(
  'a change that another site causes is refused',
  async () => {
    const foreign = { origin: 'https://elsewhere.example' };
    const refused = await ask('/api/jobs/1/cancel', { method: 'POST', headers: foreign });
    expect(refused.status).toBe(403);
    const crossSite = { 'sec-fetch-site': 'cross-site' };
    expect((await ask('/api/session', { method: 'DELETE', headers: crossSite })).status).toBe(403);
    expect((await ask('/api/session')).status).toBe(200);
  },
  PATIENCE_MS,
);

test(
  'the list comes in pages, newest first, and can be filtered',
  async () => {
    stage.fill(
      Array.from({ length: 1_200 }, (_, i) => ({
        jobId: BigInt(i + 1),
        state: 'JOB_STATE_DONE' as const,
        status: i % 100 === 0 ? 99 : 0,
        policy: i % 2 === 0 ? 'even' : 'odd',
        client: 'nas1',
        path: `/vol/vol${i}`,
      })),
    );
    const first = await page('?limit=500');
    expect(first.jobs.map(({ jobId }) => jobId)).toEqual(
      Array.from({ length: 500 }, (_, i) => 1_200 - i),
    );
    const last = await page(`?limit=500&before=201`);
    expect(last.jobs.length).toBe(200);
    expect(last.next).toBeNull();
    expect(first.counts).toMatchObject({ successful: 1_188, failed: 12, total: 1_200 });

    const failed = await page('?outcome=failed&limit=10');
    expect(failed.jobs.length).toBe(10);
    expect(failed.jobs.every(({ outcome }) => outcome === 'failed')).toBe(true);
    const rest = await page(`?outcome=failed&limit=10&before=${failed.next}`);
    expect(rest.jobs.map(({ jobId }) => jobId)).toEqual([101, 1]);
    expect((await page('?text=/vol/vol777&limit=10')).jobs.map(({ jobId }) => jobId)).toEqual([
      778,
    ]);
    expect((await page('?ids=5&ids=3')).jobs.map(({ jobId }) => jobId)).toEqual([5, 3]);
    expect((await ask('/api/jobs?limit=9999')).status).toBe(400);
  },
  PATIENCE_MS,
);

test(
  'a job comes with its tries and lines; an unknown one is status 805',
  async () => {
    await stage.put({
      jobId: 2_000n,
      state: 'JOB_STATE_ACTIVE',
      bytes: 5_000_000_000n,
      flowStep: 8,
    });
    await stage.say(2_000n, 'begin writing');
    stage.addTry(2_000n, { try: 1, status: 84, statusText: 'writing to the media failed' });
    const detail = await (await ask('/api/jobs/2000')).json();
    expect(detail).toMatchObject({
      job: { jobId: 2_000, outcome: 'active', bytes: 5_000_000_000, flowStep: 8, status: null },
      tries: [{ try: 1, status: 84 }],
      lines: [{ number: 1, text: 'begin writing', producer: 'bpbrm' }],
      cancelCommand: 'bpdbjobs -cancel -jobid 2000',
    });
    const missing = await ask('/api/jobs/999999');
    expect(missing.status).toBe(404);
    expect(await missing.json()).toMatchObject({ code: 805, name: 'jobMissing' });
  },
  PATIENCE_MS,
);

test(
  'a cancel reaches nbjm with the user who asked',
  async () => {
    const response = await ask('/api/jobs/2000/cancel', { method: 'POST' });
    expect(response.status).toBe(200);
    expect(stage.nbjm.requests('CancelJob')).toEqual([{ jobId: 2_000n, requester: USER }]);
  },
  PATIENCE_MS,
);

test(
  'what nobody answers is a sentence with its status',
  async () => {
    const devices = await ask('/api/devices');
    expect(devices.status).toBe(200);
    const { problems } = (await devices.json()) as { problems: string[] };
    expect(problems.length).toBe(4);
    expect(problems[0]).toMatch(/status 25/);
  },
  PATIENCE_MS,
);

test(
  'the sixth wrong password in a row is not even looked at',
  async () => {
    for (let i = 0; i < 5; i += 1) {
      expect((await postLogin(stage.url, 'mallory', `guess ${i}`)).status).toBe(401);
    }
    const limited = await postLogin(stage.url, 'mallory', 'guess 6');
    expect(limited.status).toBe(429);
    expect(Number(limited.headers.get('retry-after'))).toBeGreaterThan(0);
    expect((await postLogin(stage.url, USER, 'a long enough secret')).status).toBe(200);
  },
  PATIENCE_MS,
);

test(
  'the OpenAPI document names every route',
  async () => {
    const document = (await (await ask('/api/openapi.json')).json()) as {
      paths: Record<string, unknown>;
      components: { schemas: Record<string, unknown> };
    };
    expect(Object.keys(document.paths)).toEqual(
      expect.arrayContaining(['/api/jobs', '/api/jobs/{jobId}/cancel', '/api/events']),
    );
    expect(Object.keys(document.components.schemas)).toContain('Job');
  },
  PATIENCE_MS,
);
