// NDMJOB as the DMA of ndmpd's tape library: its conformance series, and jobs with labels, robot and several tapes.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ndmjobUnavailable, runNdmjob } from '../../../tools/peers/start-ndmjob.ts';
import { describeTree, makeWorkspace, PASSWORD, startServer, USER } from './harness.ts';
import { makeLibrary } from './tape-harness.ts';

const unavailable = ndmjobUnavailable();
if (unavailable !== undefined) console.warn(`NDMJOB tests are skipped: ${unavailable}`);

const KIB = 1024;
const JOB_TIMEOUT_MS = 100_000;
const workspace = makeWorkspace();
const source = workspace.file('source');
const spare = workspace.file('spare');
const servers: { close(): Promise<void> }[] = [];

afterAll(async () => {
  for (const server of servers) await server.close();
  workspace.remove();
});

async function serve(name: string, tape: { capacityBytes: number; earlyWarningBytes?: number }) {
  const library = workspace.file(name);
  if (!existsSync(library)) {
    await makeLibrary(library, { loaded: name === 'loaded' ? 1 : 0, tapes: 6, tape });
  }
  const exports = { home: source, spare };
  const server = await startServer(workspace, exports, ['--library', library]);
  servers.push(server);
  return server.address;
}

const agent = (address: string, flags: string): string => `${address}/${flags},${USER},${PASSWORD}`;

async function job(args: string[]): Promise<string> {
  const text = await runNdmjob(['-v', ...args], JOB_TIMEOUT_MS);
  expect(text).toContain('"Operation complete"');
  expect(text).not.toMatch(/ended in failure|ended questionably|but had problems/);
  return text;
}

/** Its listing of labels never claims to have gone well, whoever the server is. */
const list = (args: string[]): Promise<string> => runNdmjob(['-v', '-l', ...args], JOB_TIMEOUT_MS);

function makeSource(): void {
  mkdirSync(`${source}/deep/er`, { recursive: true });
  mkdirSync(spare, { recursive: true });
  writeFileSync(`${source}/one.txt`, 'one\n');
  const random = Buffer.from(Array.from({ length: 1_500_000 }, (_, i) => (i * i) >> 7));
  writeFileSync(`${source}/deep/large.bin`, random);
  writeFileSync(`${source}/deep/er/zz.txt`, 'the last one\n');
}

/** What of a tree must be equal after a recovery by NDMJOB, which cannot restore the times of directories. */
const files = (root: string): string[] =>
  describeTree(root).filter((line) => /\|f\||^[0-9a-f]{32} /.test(line));

describe.skipIf(unavailable !== undefined)('NDMJOB as DMA', { timeout: 200_000 }, () => {
  let loaded: string;
  beforeAll(async () => {
    makeSource();
    loaded = await serve('loaded', { capacityBytes: 64 * KIB * KIB });
  });

  const series = (name: string, version: string): Promise<string> => {
    const a = agent(loaded, `${version}m`);
    const plain = ['-v', '-v', '-v', '-o', 'no-time-stamps'];
    return runNdmjob([...plain, '-o', name, '-D', a, '-T', a, '-f', 'drive0'], JOB_TIMEOUT_MS);
  };

  test.each(['4', '3', '2'])('its series for movers passes in v%s', async (version) => {
    const text = await series('test-mover', version);
    expect(text).toMatch(/FINAL test-mover Passed -- pass=100 warn=0 fail=0/);
  });

  // The tester compares a signed character with 0 to 255 in that step: no server passes it.
  test.each(['4', '3', '2'])(
    'its series for tapes goes as far as it can in v%s',
    async (version) => {
      const text = await series('test-tape', version);
      const failed = text.match(/^Test "[^"]* -- (Almost|Failed).*/gm) ?? [];
      expect(failed).toHaveLength(1);
      expect(failed[0]).toMatch(/T-BWR.*#23 -- Failed/);
      expect(text.match(/^Test "[^"]* -- Passed/gm)).toHaveLength(8 + 4 + 13 + 20 + 22);
    },
  );

  test.each(['4', '3'])('its series for data passes in v%s, LOCAL with it', async (version) => {
    const text = await series('test-data', version);
    expect(text).toMatch(/FINAL test-data Passed -- pass=24 warn=0 fail=0/);
  });

  test.each(['4m', '3m', '2m'])('it can query tapes and robot as %s', async (flags) => {
    const a = agent(loaded, flags);
    const query = ['-q', '-v', '-D', a, '-T', a, '-f', 'drive0', '-R', a, '-r', 'changer0'];
    const text = await job(query);
    if (!flags.startsWith('2')) expect(text).toMatch(/drive1/);
    expect(text).toMatch(/slots 10/);
    expect(text).toMatch(/T00002L8/);
  });

  test('labels, a local backup, its list and its recoveries', async () => {
    const a = agent(loaded, '4m');
    const tape = ['-D', a, '-f', 'drive0', '-m', 'ONE'];
    await job(['-o', 'init-labels', ...tape]);
    expect(await list(tape)).toMatch(/^ME "ONE"/m);
    const index = workspace.file('local-index');
    await job(['-c', ...tape, '-B', 'tar', '-C', '/home', '-I', index]);
    expect(readFileSync(index, 'latin1')).toMatch(/DHf \/deep\/er\/zz.txt UNIX .*@\d+/);
    const listed = workspace.file('listed-index');
    await job(['-t', ...tape, '-B', 'tar', '-C', '/home', '-I', listed]);
    expect(readFileSync(listed, 'latin1')).toMatch(/DHf \/deep\/er\/zz.txt UNIX/);
    const recover = ['-x', ...tape, '-B', 'tar', '-J', index];
    await job([...recover, '-E', 'DIRECT=n', '-C', '/spare/whole', '/']);
    expect(files(`${spare}/whole`)).toEqual(files(source));
    await job([...recover, '-E', 'DIRECT=y', '-C', '/spare/direct', '/deep/er/zz.txt']);
    expect(readFileSync(`${spare}/direct/deep/er/zz.txt`, 'utf8')).toBe('the last one\n');
  });

  /** The image on one server's tape, the files on another. */
  test.each([
    ['the mover listens', []],
    ['the data service listens', ['-o', 'swap-connect']],
  ])('three ways, where %s', async (_name, how) => {
    const files2 = await serve('files', { capacityBytes: KIB * KIB });
    const where = ['-D', agent(files2, '4m'), '-T', agent(loaded, '4m'), '-f', 'drive0'];
    const tape = [...where, '-m', 'FAR', '-b', '126']; // 63 KiB: no multiple of anything in the image
    await job(['-o', 'init-labels', ...tape]);
    const index = workspace.file('far-index');
    await job(['-c', ...tape, ...how, '-B', 'tar', '-C', '/home', '-I', index]);
    const recover = ['-x', ...tape, ...how, '-B', 'tar', '-J', index];
    const place = how.length === 0 ? 'far' : 'farther';
    await job([...recover, '-E', 'DIRECT=n', '-C', `/spare/${place}`, '/']);
    expect(files(`${spare}/${place}`)).toEqual(files(source));
    await job([...recover, '-E', 'DIRECT=y', '-C', `/spare/${place}-one`, '/deep/er/zz.txt']);
    expect(readFileSync(`${spare}/${place}-one/deep/er/zz.txt`, 'utf8')).toBe('the last one\n');
  });

  test.each(['3m', '2m'])('a local backup and its recovery as %s', async (flags) => {
    const tape = ['-D', agent(loaded, flags), '-f', 'drive0', '-m', 'OLD'];
    await job(['-o', 'init-labels', ...tape]);
    const index = workspace.file(`index-${flags}`);
    await job(['-c', ...tape, '-B', 'tar', '-C', '/home', '-I', index]);
    const place = `/spare/${flags}`;
    await job(['-x', ...tape, '-B', 'tar', '-J', index, '-E', 'DIRECT=n', '-C', place, '/']);
    expect(files(`${spare}/${flags}`)).toEqual(files(source));
  });

  test.each(['4m', '3m', '2m'])(
    'three tapes, changed by the robot, there and back as %s',
    async (flags) => {
      const address = await serve(`small-${flags}`, {
        capacityBytes: KIB * KIB,
        earlyWarningBytes: 200 * KIB,
      });
      const a = agent(address, flags);
      const media = ['T1@1024', 'T2@1025', 'T3@1026'].flatMap((medium) => ['-m', medium]);
      const robot = ['-T', a, '-f', 'drive0', '-R', a, '-r', 'changer0'];
      await job(['-o', 'init-labels', '-D', a, ...robot, ...media]);
      expect(await list(['-D', a, ...robot, ...media])).toMatch(/^ME "T3@1026"/m);
      const index = workspace.file(`spanning-${flags}`);
      await job(['-c', '-D', a, ...robot, ...media, '-B', 'tar', '-C', '/home', '-I', index]);
      expect(readFileSync(index, 'latin1').match(/^CM /gm)?.length).toBeGreaterThan(1);
      const recover = ['-x', '-D', a, ...robot, '-J', index, '-B', 'tar'];
      await job([...recover, '-E', 'DIRECT=n', '-C', `/spare/spanned-${flags}`, '/']);
      expect(files(`${spare}/spanned-${flags}`)).toEqual(files(source));
      await job([...recover, '-E', 'DIRECT=y', '-C', `/spare/picked-${flags}`, '/deep/er/zz.txt']);
      // In v3 it names the folder that the file goes to, and no place below it.
      const place = flags === '3m' ? 'zz.txt' : 'deep/er/zz.txt';
      const picked = readFileSync(`${spare}/picked-${flags}/${place}`, 'utf8');
      expect(picked).toBe('the last one\n');
    },
  );

  test('it loads and unloads with the robot', async () => {
    const address = await serve('moves', { capacityBytes: KIB * KIB });
    const a = agent(address, '4m');
    const robot = ['-R', a, '-r', 'changer0'];
    await job(['-o', 'init-elem-status', ...robot]);
    await job(['-o', 'load=1026', ...robot]);
    expect(await job(['-q', ...robot])).toMatch(/@256.*T00003L8/);
    await job(['-o', 'unload=1026', ...robot]);
    await job(['-o', 'export=1024', ...robot]);
    expect(await job(['-q', ...robot])).toMatch(/@768.*T00001L8/);
  });
});
