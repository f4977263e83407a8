// nbjm as its own process, killed between "saved" and "sent": what was committed is done after the next start, once.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { codec } from '@tapestry/contracts';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { makeWorld, OK, refOf, type World } from './world.ts';

let world: World;
let child: ChildProcess | undefined;

beforeAll(async () => {
  world = await makeWorld();
});

afterAll(async () => {
  await kill();
  await world?.stop();
});

async function startProcess(): Promise<void> {
  const passwordFile = join(world.dir, 'password');
  writeFileSync(passwordFile, world.bus.passwordOf({ service: 'nbjm' }));
  child = spawn(process.execPath, [join(import.meta.dirname, '../src/main.ts')], {
    env: {
      PATH: process.env.PATH,
      TAPESTRY_NATS_URL: world.bus.url,
      TAPESTRY_NATS_PASSWORD_FILE: passwordFile,
      TAPESTRY_STATE_DIR: world.dir,
      TAPESTRY_LOG_LEVEL: 'error',
      NBJM_RECONCILE_MS: '600000',
      ...world.env(),
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const attempt = { jobId: 0n, try: 1, step: 0 };
  await eventually(
    'an answer of nbjm',
    async () => {
      await world.asNbrb.ResourcesWaiting({ attempt, reason: '' });
      return true;
    },
    60_000,
  );
}

async function kill(): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill('SIGKILL');
  await ended;
}

const job = { type: 'JOB_TYPE_BACKUP', client: 'filer1', backup: { path: '/vol' } } as const;
const never = () => new Promise<never>(() => {});

test('at each step: what was saved before a kill is sent after it, and the job comes to its end', async () => {
  // Neighbours that hear and never answer: nbjm dies while it waits for them.
  world.nbrb.answer({ RequestResources: never });
  await startProcess();
  const { jobId } = await world.asNbpem.SubmitJob({ key: 'k1', job });
  const request = await world.nbrb.waitFor('RequestResources');
  await kill();

  world.nbrb.answer({ RequestResources: async () => ({}) });
  world.bpcd.answer({ Start: never });
  await startProcess();
  await world.nbrb.waitFor('RequestResources', { count: 2 });
  expect((await world.asNbpem.SubmitJob({ key: 'k1', job })).jobId).toBe(jobId);
  const grant = world.grant(request, 'g1');
  await world.asNbrb.ResourcesGranted({ grant });
  await world.bpcd.waitFor('Start');
  await kill();

  world.bpcd.answer({ Start: async () => ({}) });
  world.bpdbm.answer({ ValidateImage: never });
  await startProcess();
  await world.bpcd.waitFor('Start', { count: 2 });
  const [first, second] = world.bpcd.requests('Start').map(({ runSpec }) => {
    return codec('RunSpec').decode(runSpec).grant?.grantId;
  });
  expect([first, second]).toEqual(['g1', 'g1']);
  const result = { status: OK, image: { backupId: `filer1_${jobId}`, bytes: 1n } };
  await world.asBpbrm.RunEnded({ grant: refOf(grant), result });
  await world.bpdbm.waitFor('ValidateImage');
  await kill();

  world.bpdbm.answer({ ValidateImage: async () => ({}) });
  await startProcess();
  await world.row(jobId, 'is done', ({ state, status }) => {
    return state === 'JOB_STATE_DONE' && status === 0;
  });
  // bpbrm tells the end again until it was answered: after the end it is still answered well.
  await world.asBpbrm.RunEnded({ grant: refOf(grant), result });
  await eventually('the verdict', () => world.nbpem.requests('TryEnded').length > 0);
  expect(world.bpdbm.requests('OpenImage')).toHaveLength(1);
  await kill();
}, 300_000);
