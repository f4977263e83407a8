// ndmpd in a container, by the line of deploy/README.md: NDMJOB, which is not ours, backs it up to a tape and restores.
// Runs where TAPESTRY_CONTAINERS=1 says that there is an engine, with the image that is built.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '@tapestry/testkit';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  ndmjobUnavailable,
  runNdmjob,
  startNdmjob,
} from '@tapestry/tools/peers/start-ndmjob.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { IMAGES } from './images.ts';

const asked = process.env.TAPESTRY_CONTAINERS === '1';
const unavailable = ndmjobUnavailable();
const NAME = `tapestry-filer-${process.pid}`;
const PASSWORD = 'open-sesame';
const OWNER = 4711;
let folder: string;
let port: number;

const docker = (...args: string[]): string =>
  execFileSync('docker', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] });
/** In a container, so that the test itself needs no root. */
const asRoot = (script: string): string =>
  docker(
    'run',
    '--rm',
    '--user',
    '0',
    '-v',
    `${folder}:/work`,
    IMAGES.tapestry,
    'sh',
    '-c',
    script,
  );
const agent = (): string => `127.0.0.1:${port}/4m,backup,${PASSWORD}`;

beforeAll(async () => {
  if (!asked || unavailable !== undefined) return;
  folder = mkdtempSync(join(tmpdir(), 'tapestry-filer-'));
  port = await freePort();
  mkdirSync(join(folder, 'home/private'), { recursive: true });
  const secret = join(folder, 'home/private/plan');
  writeFileSync(secret, 'of another user', { mode: 0o600 });
  asRoot(`chown ${OWNER}:${OWNER} /work/home/private/plan`);
  writeFileSync(join(folder, 'password'), `${PASSWORD}\n`, { mode: 0o600 });
  docker(...documentedLine());
  await eventually('ndmpd takes connections', () => docker('logs', NAME).includes('"ready":true'));
}, 60_000);

afterAll(() => {
  if (folder === undefined) return;
  docker('rm', '-f', NAME);
  docker('volume', 'rm', '-f', NAME);
  asRoot('rm -rf /work/home');
  rmSync(folder, { recursive: true });
});

test('a DMA that is not ours backs up the container of the README and restores other people’s files', async ({
  skip,
}) => {
  if (!asked) skip('needs a container engine: TAPESTRY_CONTAINERS=1');
  if (unavailable !== undefined) skip(unavailable);
  const tapeHost = await startNdmjob({ dir: join(folder, 'tape-host') });
  try {
    const tape = `${tapeHost.address}/4m,${NDMJOB_USER},${NDMJOB_PASSWORD}`;
    const to = ['-T', tape, '-f', tapeHost.tape, '-m', 'T1'];
    await runNdmjob(['-v', '-o', 'init-labels', ...to], 50_000);
    const job = async (...args: string[]): Promise<void> => {
      const text = await runNdmjob(['-v', '-D', agent(), ...to, '-B', 'tar', ...args], 50_000);
      expect(text).toContain('"Operation complete"');
      expect(text).not.toMatch(/ended in failure|ended questionably|but had problems/);
    };
    const index = join(folder, 'index');
    await job('-c', '-C', '/home', '-I', index, '-E', 'LEVEL=0', '-E', 'UPDATE=y');
    const saved = ['-J', index, '-E', 'DR_ALIGN=10240', '-E', 'DIRECT=n'];
    await job('-x', ...saved, '-C', '/home/back', '/private/plan');
  } finally {
    await tapeHost.stop();
  }
  const restored = '/work/home/back/private/plan';
  const seen = asRoot(`cat ${restored}; stat -c ' %u:%g %a' ${restored}`);
  expect(seen).toBe(`of another user ${OWNER}:${OWNER} 600\n`);
}, 120_000);

test('it holds the capabilities that it was given and no other, and ends in order', ({ skip }) => {
  if (!asked) skip('needs a container engine: TAPESTRY_CONTAINERS=1');
  if (unavailable !== undefined) skip(unavailable);
  const status = docker('exec', NAME, 'cat', '/proc/1/status');
  // The seven bits 0 (CHOWN), 1, 2 (DAC), 3 (FOWNER), 4 (FSETID), 27 (MKNOD), 31 (SETFCAP).
  expect(status).toMatch(/^CapBnd:\s+000000008800001f$/m);
  expect(docker('logs', NAME)).not.toContain(PASSWORD);
  docker('stop', '-t', '20', NAME);
  expect(docker('inspect', '-f', '{{.State.ExitCode}}', NAME).trim()).toBe('0');
}, 60_000);

/** The words of the documented `docker run`, on this test's folders, port and names. */
function documentedLine(): string[] {
  const readme = readFileSync(join(import.meta.dirname, '../README.md'), 'utf8');
  const [, line = ''] = /^docker (run -d --name filer (?:.*\\\n)*.*)$/m.exec(readme) ?? [];
  return line
    .replaceAll('\\\n', ' ')
    .replace('--name filer', `--name ${NAME}`)
    .replace('/srv/home:', `${join(folder, 'home')}:`)
    .replace('/etc/tapestry/ndmpd.password', join(folder, 'password'))
    .replace('ndmpd-state', NAME)
    .replace('0.0.0.0:10000', `127.0.0.1:${port}`)
    .split(/\s+/);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' ? (address?.port ?? 0) : 0;
}
