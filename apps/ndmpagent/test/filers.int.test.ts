// The agent against filers that refuse, hang up and complain: what it does then, and what it says.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Init, StartBackupRequest, StartRestoreRequest } from '@tapestry/contracts';
import { ADDR_TYPE, AUTH_TYPE, DATA_HALT, LOG_TYPE, NDMP_ERROR } from '@tapestry/ndmp';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type AgentWorld,
  failureOf,
  grantOf,
  startAgent,
  startAgentWorld,
  untilPhase,
} from './agent-world.ts';
import { type Post, type ScriptedFiler, startScriptedFiler } from './scripted-filer.ts';

let world: AgentWorld;
let root: string;
let daemon: Awaited<ReturnType<typeof startAgent>> | undefined;
let filer: ScriptedFiler | undefined;
let job = 900n;

beforeAll(async () => {
  world = await startAgentWorld();
  world.bptm.answer({ SendRange: async () => ({}) });
});
afterAll(() => world.stop());
beforeEach(() => {
  job += 1n;
  root = mkdtempSync(join(tmpdir(), 'ndmpagent-filers-'));
});
afterEach(async () => {
  await daemon?.stop();
  filer?.close();
  rmSync(root, { recursive: true, force: true });
});

async function begin(
  script: Parameters<typeof startScriptedFiler>[0],
  env: Record<string, string> = {},
): Promise<void> {
  filer = await startScriptedFiler(script);
  Object.assign(world.access, { port: filer.port, auth: 'md5' });
  daemon = await startAgent(world, root, env);
}

const backup = (): Init<StartBackupRequest> => ({
  grant: grantOf(job),
  job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/vol1' } },
  image: { backupId: `filer_${job}` },
  moverAddresses: [{ host: '127.0.0.1', port: 9 }],
});

const restore = (step = 0): Init<StartRestoreRequest> => {
  const path = Buffer.from('/vol1/a');
  const entry = { originalPath: path, destinationPath: path, fhInfo: 512n };
  const one = { backupId: 'filer_1', path: '/vol1', butype: 'tar', directAccess: true };
  return {
    ...{ grant: grantOf(job, step), restoreStep: 0 },
    moverAddresses: [{ host: '127.0.0.1', port: 9 }],
    job: {
      ...{ type: 'JOB_TYPE_RESTORE', client: 'filer' },
      restore: { destClient: 'filer', steps: [{ ...one, entries: [entry], expectedFiles: 1n }] },
    },
  };
};

const says = (entry: string): Post => ({
  name: 'logMessage',
  body: {
    ...{ logType: LOG_TYPE.error, messageId: 1, entry },
    ...{ hasAssociatedMessage: 0, associatedSequence: 0 },
  },
});
const halts = (reason: number, text = ''): Post => ({
  name: 'notifyDataHalted',
  body: { reason, text },
});
const directOf = (body: Record<string, unknown>): string | undefined =>
  (body.env as { name: string; value: string }[]).find(({ name }) => name === 'DIRECT')?.value;
const asked = (name: string) => filer!.heard.filter((each) => each.name === name);

test('a start that is refused with direct access is tried once more without it', async () => {
  await begin({
    dataStartRecover: ({ body }) =>
      directOf(body) === 'y'
        ? { error: NDMP_ERROR.illegalArgs, after: [says('Invalid nlist.tape_offset 512')] }
        : { after: [halts(DATA_HALT.successful)] },
  });
  await world.agent.StartRestore(restore());
  const done = await untilPhase(world, 'SESSION_PHASE_DONE', grantOf(job));
  expect(done.files).toBe(1n);
  expect(asked('dataStartRecover').map(({ body }) => directOf(body))).toEqual(['y', 'n']);
  expect(asked('dataConnect')).toHaveLength(1);
  await world.agent.StartRestore(restore(1));
  await untilPhase(world, 'SESSION_PHASE_DONE', grantOf(job, 1));
  expect(asked('dataStartRecover').map(({ body }) => directOf(body))).toEqual(['y', 'n', 'n']);
});

test('a filer that fails later with direct access is remembered over a restart', async () => {
  await begin({
    dataStartRecover: ({ body }) => ({
      after:
        directOf(body) === 'y'
          ? [says('DAR failed'), halts(DATA_HALT.internalError)]
          : [halts(DATA_HALT.successful)],
    }),
  });
  await world.agent.StartRestore(restore());
  const failed = await failureOf(world, grantOf(job));
  expect(failed.status).toMatchObject({ code: 2813, context: { reason: 'directAccessRefused' } });
  expect(failed.status?.detail).toMatch(/DAR failed.*start the restore again/);
  await daemon!.stop();
  daemon = await startAgent(world, root);
  await world.agent.StartRestore(restore(1));
  await untilPhase(world, 'SESSION_PHASE_DONE', grantOf(job, 1));
  expect(asked('dataStartRecover').map(({ body }) => directOf(body))).toEqual(['y', 'n']);
});

test('words that come after a refusal explain it', async () => {
  await begin({
    dataStartBackup: () => ({
      error: NDMP_ERROR.illegalArgs,
      after: [says('/vol1: no such volume')],
    }),
  });
  await world.agent.StartBackup(backup());
  const { status } = await failureOf(world, grantOf(job));
  expect(status).toMatchObject({ code: 99, context: { reason: 'pathNotFound' } });
  expect(status?.detail).toMatch(/start the backup of \/vol1.*ndmp-probe.*no such volume/);
});

test('a server that hangs up on a version is asked for a lower one on a new connection', async () => {
  await begin({
    connectOpen: ({ body }) => (body.version === 4 ? { hangUp: true } : {}),
    dataStartBackup: () => ({ error: NDMP_ERROR.permission }),
  });
  await world.agent.StartBackup(backup());
  const { status } = await failureOf(world, grantOf(job));
  expect(status).toMatchObject({ code: 99, context: { reason: 'permissionDenied' } });
  expect(asked('connectOpen').map(({ body }) => body.version)).toEqual([4, 3]);
  expect(asked('dataStartBackup')[0]?.version).toBe(3);
});

const textOnly = () => ({ fields: { vendor: 'Scripted', authTypes: [AUTH_TYPE.text] } });

test('a password never goes in clear text where that is not allowed', async () => {
  await begin({ configGetServerInfo: textOnly });
  await world.agent.StartBackup(backup());
  const { status } = await failureOf(world, grantOf(job));
  expect(status?.detail).toMatch(/clear text.*tpconfig/);
  expect(asked('connectClientAuth')).toHaveLength(0);
});

test('where clear text is allowed, MD5 is still tried first', async () => {
  await begin({
    connectClientAuth: ({ body }) =>
      (body.auth as { type: string }).type === 'md5' ? { error: NDMP_ERROR.notAuthorized } : {},
    dataConnect: () => ({ error: NDMP_ERROR.connect }),
  });
  world.access.auth = 'text';
  await world.agent.StartBackup(backup());
  const { status } = await failureOf(world, grantOf(job));
  expect(status).toMatchObject({ context: { reason: 'moverUnreachable' } });
  const types = asked('connectClientAuth').map(({ body }) => (body.auth as { type: string }).type);
  expect(types).toEqual(['md5', 'text']);
});

test('the file about filers decides for its hosts, and what v2 cannot say is refused in words', async () => {
  const file = join(root, 'filers.json');
  const hosts = { filer: { versionMax: 2, dataConnection: 'listen' } };
  writeFileSync(file, JSON.stringify({ hosts }));
  await begin({}, { NDMPAGENT_FILERS_FILE: file });
  await world.agent.StartBackup(backup());
  const { status } = await failureOf(world, grantOf(job));
  expect(status?.detail).toMatch(/NDMP version 2.*remove dataConnection of filer/);
  expect(asked('connectOpen').map(({ body }) => body.version)).toEqual([2]);
});

test('a filer that offers no TCP is refused before anything starts', async () => {
  await begin({
    configGetConnectionType: () => ({ fields: { types: [ADDR_TYPE.local] } }),
  });
  await world.agent.StartBackup(backup());
  const { status } = await failureOf(world, grantOf(job));
  expect(status?.detail).toMatch(/no TCP data connections/);
  expect(asked('dataConnect')).toHaveLength(0);
});

test.each([
  ['a misspelt key', '{ "hosts": { "filer": { "verionMax": 2 } } }', /verionMax/],
  ['what no row is called', '{ "hosts": { "filer": { "treatAs": "nobody" } } }', /no nobody/],
  ['no JSON', 'hosts:', /filers\.json cannot be read/],
])('a file about filers with %s stops the agent at its start', async (_what, text, words) => {
  const file = join(root, 'filers.json');
  writeFileSync(file, text);
  daemon = undefined;
  await expect(begin({}, { NDMPAGENT_FILERS_FILE: file })).rejects.toThrow(words);
});

test('a probe that fails repeats what the filer said', async () => {
  await begin({
    connectClientAuth: () => ({
      error: NDMP_ERROR.notAuthorized,
      before: [says('too many NDMP sessions')],
    }),
  });
  const request = { address: '127.0.0.1', port: filer!.port, user: 'u', password: 'p' };
  await expect(world.cli.Probe(request)).rejects.toMatchObject({
    ...{ status: 'ndmpFailed', detail: expect.stringMatching(/no more NDMP sessions.*too many/) },
  });
});
