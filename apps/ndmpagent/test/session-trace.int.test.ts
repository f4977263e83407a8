// What is left of a session in a recording: its messages in words, its bytes for another run, and no secret.

import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NDMP_ERROR, readTrace, traceLines } from '@tapestry/ndmp';
import { eventually } from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { type AgentWorld, startAgent, startAgentWorld } from './agent-world.ts';
import { type ScriptedFiler, startScriptedFiler } from './scripted-filer.ts';

let world: AgentWorld;
let root: string;
let dir: string;
let filer: ScriptedFiler;
let daemon: Awaited<ReturnType<typeof startAgent>>;

beforeAll(async () => {
  world = await startAgentWorld();
});
afterAll(() => world.stop());
beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'ndmpagent-trace-'));
  dir = join(root, 'traces');
  filer = await startScriptedFiler({
    connectClientAuth: ({ body }) =>
      (body.auth as { type: string }).type === 'md5' ? { error: NDMP_ERROR.notAuthorized } : {},
  });
});
afterEach(async () => {
  await daemon.stop();
  filer.close();
  rmSync(root, { recursive: true, force: true });
});

const probe = () =>
  world.cli.Probe({
    ...{ address: '127.0.0.1', port: filer.port, user: 'backup', password: 'very-secret' },
    auth: 'text',
  });

const names = () => readdirSync(dir).filter((name) => name.endsWith('.ndmptrace'));
const ended = (): Promise<string> =>
  eventually('the recording', () => {
    const text = readFileSync(join(dir, names()[0]!), 'utf8');
    return /^# .*(ended|lost)/m.test(text) ? text : undefined;
  });

test('a session is recorded without its secrets, can be played again, and only its owner may read it', async () => {
  daemon = await startAgent(world, root, { NDMPAGENT_TRACE_DIR: dir });
  await probe();
  const text = await ended();
  expect(text).toMatch(
    /^# NDMP session probe with 127\.0\.0\.1\n\d+ \. 1 server! notifyConnection/,
  );
  expect(text).toMatch(/^\d+ ! \d+ server< connectClientAuth to \d+: notAuthorized/m);
  expect(text).toMatch(/^\d+ \. \d+ dma> connectClose/m);
  expect(text).not.toContain('very-secret');
  expect(text).not.toContain(Buffer.from('very-secret').toString('hex'));
  const again = traceLines(readTrace(text));
  expect(again.some((line) => line.includes('configGetServerInfo'))).toBe(true);
  expect(statSync(join(dir, names()[0]!)).mode & 0o077).toBe(0);
});

test('a recording is bounded, but keeps the end of its session', async () => {
  daemon = await startAgent(world, root, {
    NDMPAGENT_TRACE_DIR: dir,
    NDMPAGENT_TRACE_MAX_BYTES: '500',
  });
  await probe();
  const text = await ended();
  expect(text).toContain('connectClose');
  expect(text.split('\n').filter((line) => /^(dma|server) /.test(line)).length).toBeLessThan(6);
});

test('old recordings make room, and a folder that cannot be used ends no session', async () => {
  mkdirSync(dir);
  for (let i = 0; i < 60; i += 1) writeFileSync(join(dir, `${i}-old.ndmptrace`), '# old\n');
  daemon = await startAgent(world, root, { NDMPAGENT_TRACE_DIR: dir });
  await probe();
  expect(names()).toHaveLength(50);
  await daemon.stop();
  const file = join(root, 'a-file');
  writeFileSync(file, '');
  daemon = await startAgent(world, root, { NDMPAGENT_TRACE_DIR: file });
  expect((await probe()).facts.length).toBeGreaterThan(5);
});
