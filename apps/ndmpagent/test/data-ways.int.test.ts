// Both ways to a data connection with a filer whose answers the test writes: what is tried, and what a failure says.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DATA_HALT, DATA_STATE, NDMP_ERROR } from '@tapestry/ndmp';
import { StatusError, type StatusName } from '@tapestry/status';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type AgentWorld,
  failureOf,
  grantOf,
  startAgent,
  startAgentWorld,
  untilPhase,
} from './agent-world.ts';
import { type ScriptedFiler, startScriptedFiler } from './scripted-filer.ts';

let world: AgentWorld;
let root: string;
let daemon: Awaited<ReturnType<typeof startAgent>> | undefined;
let filer: ScriptedFiler | undefined;
let job = 1_000n;

beforeAll(async () => {
  world = await startAgentWorld();
});
afterAll(() => world.stop());
beforeEach(() => {
  job += 1n;
  root = mkdtempSync(join(tmpdir(), 'ndmpagent-ways-'));
});
afterEach(async () => {
  await daemon?.stop();
  filer?.close();
  rmSync(root, { recursive: true, force: true });
});

type Script = Parameters<typeof startScriptedFiler>[0];

async function backUp(script: Script, isListener = true): Promise<void> {
  const file = join(root, 'filers.json');
  const hosts = isListener ? { filer: { dataConnection: 'listen' } } : {};
  writeFileSync(file, JSON.stringify({ hosts }));
  filer = await startScriptedFiler({ ...listens, ...takes, ...halts, ...script });
  Object.assign(world.access, { port: filer.port, auth: 'md5' });
  daemon = await startAgent(world, root, {
    ...{ NDMPAGENT_FILERS_FILE: file, NDMPAGENT_DATA_CONNECT_TIMEOUT_MS: '300' },
  });
  await world.agent.StartBackup({
    grant: grantOf(job),
    job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/vol1' } },
    image: { backupId: `filer_${job}` },
    moverAddresses: [{ host: '127.0.0.1', port: 9 }],
  });
}

const endpoints = [
  { host: '10.0.0.5', port: 6000, env: [] },
  { host: '10.1.0.5', port: 6001, env: [] },
];
const listens: Script = { dataListen: () => ({ fields: { address: { type: 'tcp', endpoints } } }) };
const takes: Script = { dataGetState: () => ({ fields: stateOf(DATA_STATE.connected) }) };
const halts: Script = {
  dataStartBackup: () => ({
    after: [{ name: 'notifyDataHalted', body: { reason: DATA_HALT.successful, text: '' } }],
  }),
};
function stateOf(state: number, haltReason = 0): Record<string, unknown> {
  return { state, haltReason, bytesProcessed: 512n };
}
const answers = (status?: StatusName, detail = ''): void =>
  world.bptm.answer({
    ConnectStream: async () => {
      if (status !== undefined) throw new StatusError(status, detail);
      return {};
    },
  });
const asked = (name: string) => filer!.heard.filter((each) => each.name === name);
const status = async () => (await failureOf(world, grantOf(job))).status;

test('all addresses that the filer names go to bptm, and the start waits until the filer has our connection', async () => {
  answers();
  let polls = 0;
  const dataGetState = () => {
    polls += 1;
    return { fields: stateOf(polls < 4 ? DATA_STATE.listen : DATA_STATE.connected) };
  };
  await backUp({ dataGetState });
  await untilPhase(world, 'SESSION_PHASE_DONE', grantOf(job));
  const names = filer!.heard.map(({ name }) => name);
  const before = names.slice(names.indexOf('dataListen'), names.indexOf('dataStartBackup'));
  expect(before).toEqual(['dataListen', ...Array(4).fill('dataGetState')]);
  expect(world.bptm.requests('ConnectStream').at(-1)).toMatchObject({
    ...{ grant: grantOf(job), sequence: 1 },
    addresses: endpoints.map(({ host, port }) => ({ host, port })),
  });
});

test('a connection that our mover cannot make ends the session with the reason of bptm', async () => {
  answers('accessNotAllowed', 'the filer says that it listens at 10.0.0.5: name it');
  await backUp({});
  expect(await status()).toMatchObject({
    ...{ code: 46, context: { reason: 'filerUnreachable' } },
    detail:
      'filer listens for its data connection, but the filer says that it listens at 10.0.0.5: name it',
  });
  expect(asked('dataConnect')).toHaveLength(0);
  expect(asked('dataStartBackup')).toHaveLength(0);
  expect(asked('dataAbort')).toHaveLength(1);
});

test('when neither way works, the failure tells of both', async () => {
  answers('cannotConnectToClient', '10.0.0.5 port 6000 refuses');
  await backUp({ dataConnect: () => ({ error: NDMP_ERROR.connect }) }, false);
  const failed = await status();
  expect(failed).toMatchObject({ code: 99, context: { reason: 'moverUnreachable' } });
  expect(failed?.detail).toMatch(
    /connect to this media server at 127.0.0.1 port 9: .*; the other way round: filer listens .* refuses/,
  );
});

test.each([
  ['notSupported', NDMP_ERROR.notSupported, 1],
  ['illegalState', NDMP_ERROR.illegalState, 1],
  ['permission', NDMP_ERROR.permission, 0],
])('a filer that refuses to listen (%s) is told to connect: %i', async (name, error, times) => {
  answers();
  const script = {
    dataListen: () => ({ error }),
    dataConnect: () => ({ error: NDMP_ERROR.connect }),
  };
  await backUp(script);
  expect((await status())?.detail).toMatch(new RegExp(`listen for the data connection: .*${name}`));
  expect(asked('dataConnect')).toHaveLength(times);
});

test('a filer that ends the connection before it is used says why', async () => {
  answers();
  await backUp({
    dataGetState: () => ({ fields: stateOf(DATA_STATE.halted, DATA_HALT.connectError) }),
  });
  expect((await status())?.detail).toMatch(/ended the data connection before .*connectError/);
  expect(asked('dataStartBackup')).toHaveLength(0);
});

test('a filer that does not answer DATA_CONNECT may need the setting, and the failure names it', async () => {
  answers();
  await backUp({ dataConnect: () => ({ silent: true }) }, false);
  expect((await status())?.detail).toMatch(/timedOut.*set dataConnection of filer to "listen"/);
  expect(asked('dataListen')).toHaveLength(0);
});
