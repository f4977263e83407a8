// The bus against a real nats-server with the users and rights that the contracts give.

import { connect } from '@nats-io/transport-node';
import { inboxPrefix, requestSubject } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { eventually, fakeService, startTestBus, type TestBus } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Handlers } from '../src/index.ts';

let bus: TestBus;

beforeAll(async () => {
  bus = await startTestBus();
});

afterAll(async () => {
  await bus.stop();
});

const submit: Handlers<'nbjm'>['SubmitJob'] = async ({ job }, { caller }) => {
  if (job?.policy === 'bad')
    throw new StatusError('policyMissing', 'no policy bad', { policy: 'bad' });
  expect(caller).toEqual({ service: 'nbpem' });
  return { jobId: 2n ** 60n + 1n };
};

test('a call comes back with its answer, 64-bit numbers whole, and an error with its status', async () => {
  const nbjm = await fakeService(await bus.as({ service: 'nbjm' }), 'nbjm', { SubmitJob: submit });
  const client = (await bus.as({ service: 'nbpem' })).client('nbjm');
  expect(await client.SubmitJob({ key: 'k', job: { policy: 'p' } })).toEqual({
    jobId: 2n ** 60n + 1n,
  });
  await expect(client.SubmitJob({ job: { policy: 'bad' } })).rejects.toMatchObject({
    status: 'policyMissing',
    context: { policy: 'bad' },
  });
  await nbjm.stop();
});

test('a service that is away is told as 25, one that is slow as 41', async () => {
  const client = (await bus.as({ service: 'nbpem' })).client('nbjm');
  await expect(client.SubmitJob({}, { deadlineMs: 1_500 })).rejects.toMatchObject({ code: 25 });
  const nbjm = await fakeService(await bus.as({ service: 'nbjm' }), 'nbjm', {
    SubmitJob: () => new Promise(() => {}),
  });
  await expect(client.SubmitJob({}, { deadlineMs: 1_500 })).rejects.toMatchObject({ code: 41 });
  void nbjm.stop();
});

test('a call made while a service restarts reaches it when it is back', async () => {
  const client = (await bus.as({ service: 'nbpem' })).client('bpdbm');
  const answer = client.ListPolicies({});
  const bpdbm = await fakeService(await bus.as({ service: 'bpdbm' }), 'bpdbm', {
    ListPolicies: async () => ({ policies: [{ name: 'nas' }] }),
  });
  expect((await answer).policies.map(({ name }) => name)).toEqual(['nas']);
  await bpdbm.stop();
});

test('what reaches a service after it was told to stop is not begun, and waits for its next life', async () => {
  const client = (await bus.as({ service: 'nbpem' })).client('bpdbm');
  const asBpdbm = await bus.as({ service: 'bpdbm' });
  let stopped: Promise<void> | undefined;
  const first = await fakeService(asBpdbm, 'bpdbm', {
    ListPolicies: async () => {
      stopped ??= first.stop();
      return {};
    },
  });
  // Sent in one go: most lie in the socket before the first is looked at.
  const answers = Promise.all(Array.from({ length: 50 }, () => client.ListPolicies({})));
  await eventually('the stop', () => stopped !== undefined);
  await stopped;
  const second = await fakeService(asBpdbm, 'bpdbm', { ListPolicies: async () => ({}) });
  await answers;
  expect([first.calls.length, second.calls.length]).toEqual([1, 49]);
  await second.stop();
});

test('services of two hosts are told apart', async () => {
  const media1 = await fakeService(await bus.as({ service: 'bpcd', host: 'media1' }), 'bpcd', {
    Start: async () => ({}),
  });
  const media2 = await fakeService(await bus.as({ service: 'bpcd', host: 'media2' }), 'bpcd', {
    Start: async () => ({}),
  });
  await (await bus.as({ service: 'nbjm' })).client('bpcd', 'media2').Start({});
  expect([media1.calls.length, media2.calls.length]).toEqual([0, 1]);
  await Promise.all([media1.stop(), media2.stop()]);
});

test('the bus refuses each daemon what it does not own', async () => {
  const nbjm = await fakeService(await bus.as({ service: 'nbjm' }), 'nbjm', { SubmitJob: submit });
  // bptm may not submit jobs, neither as itself nor in nbpem's name, nor listen to what others are asked.
  const raw = await connect({
    servers: bus.url,
    user: 'bptm-media1',
    pass: bus.passwordOf({ service: 'bptm', host: 'media1' }),
    inboxPrefix: inboxPrefix('bptm-media1'),
  });
  const refusals: string[] = [];
  void (async () => {
    for await (const status of raw.status()) {
      if (status.type === 'error') refusals.push(status.error.message);
    }
  })();
  for (const caller of ['bptm-media1', 'nbpem']) {
    const subject = requestSubject('nbjm', 'any', 'SubmitJob', caller);
    await expect(raw.request(subject, new Uint8Array(), { timeout: 300 })).rejects.toThrow();
  }
  raw.subscribe('tapestry.nbemm.any.*.*', { callback: () => undefined });
  raw.subscribe('_INBOX_nbpem.>', { callback: () => undefined });
  raw.publish('$JS.API.STREAM.DELETE.JOBS');
  raw.publish('tapestry.ltid.media2.Mount.bptm-media2');
  await raw.flush();
  await eventually('four refusals', () => refusals.length >= 4 || undefined);
  expect(nbjm.calls).toEqual([]);
  expect(refusals.every((text) => /permissions violation/i.test(text))).toBe(true);
  await raw.close();
  await nbjm.stop();
});

test('a wrong password is refused', async () => {
  await expect(
    connect({ servers: bus.url, user: 'nbjm', pass: 'wrong', maxReconnectAttempts: 0 }),
  ).rejects.toThrow(/authorization/i);
});

test('stored events wait for their reader, come in order, once a message id, and again after a failure', async () => {
  const nbjm = await bus.as({ service: 'nbjm' });
  for (const jobId of [1n, 2n, 2n, 3n]) {
    await nbjm.publish('JobChanged', { job: { jobId } }, { id: `job ${jobId}` });
  }
  const seen: bigint[] = [];
  let failures = 0;
  const reader = await (await bus.as({ service: 'bpjobd' })).consume(
    'JobChanged',
    async (event, info) => {
      if (event.job?.jobId === 2n && info.redeliveries === 0) {
        failures += 1;
        throw new Error('not yet');
      }
      seen.push(event.job?.jobId ?? 0n);
    },
  );
  await eventually('three jobs', () => seen.length >= 3 || undefined);
  expect([...seen].sort()).toEqual([1n, 2n, 3n]);
  expect(failures).toBe(1);
  await reader.stop();
});

test('a restart of the bus in the middle loses no call and no event', async () => {
  const own = await startTestBus();
  const bpdbm = await fakeService(await own.as({ service: 'bpdbm' }), 'bpdbm', {
    ListPolicies: async () => ({}),
  });
  const nbjm = await own.as({ service: 'nbjm' });
  const seen = new Set<bigint>();
  const reader = await (await own.as({ service: 'bpjobd' })).consume(
    'JobChanged',
    async (event) => {
      seen.add(event.job!.jobId);
    },
  );
  await nbjm.publish('JobChanged', { job: { jobId: 1n } }, { id: 'a' });
  await own.kill();
  const late = eventually('the event is kept', async () => {
    await nbjm.publish('JobChanged', { job: { jobId: 2n } }, { id: 'b' });
    return true;
  });
  await own.restart();
  await late;
  const client = (await own.as({ service: 'nbpem' })).client('bpdbm');
  expect(await client.ListPolicies({})).toEqual({ policies: [] });
  await eventually('both events', () => seen.size === 2 || undefined);
  await reader.stop();
  await bpdbm.stop();
  await own.stop();
});
