// The client against a server that is not ours: NDMJOB's DATA agent with the formatter in tools/peers.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { DATA_HALT, NDMP_ERROR, type Pval, U64_MAX } from '@tapestry/ndmp';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  type Ndmjob,
  ndmjobUnavailable,
  runNdmjob,
  startNdmjob,
} from '../../../tools/peers/start-ndmjob.ts';
import {
  Dma,
  listenForData,
  makeWorkspace,
  nameEntry,
  PASSWORD,
  readAll,
  startServer,
  USER,
  variables,
} from './harness.ts';
import { makeSampleTree } from './sample-tree.ts';

const unavailable = ndmjobUnavailable();
if (unavailable !== undefined) console.warn(`NDMJOB tests are skipped: ${unavailable}`);

describe.skipIf(unavailable !== undefined)('NDMJOB as data server', () => {
  const workspace = makeWorkspace();
  const source = workspace.file('source');
  let peer: Ndmjob;
  let image: Buffer;
  let env: Pval[];
  let offsets: Map<string, bigint>;

  beforeAll(async () => {
    mkdirSync(`${source}/sub`, { recursive: true });
    writeFileSync(`${source}/one.txt`, 'one\n');
    writeFileSync(`${source}/sub/two with blank`, Buffer.alloc(2_000_000, 'two'));
    writeFileSync(`${source}/sub/three`, 'three\n');
    peer = await startNdmjob({ dir: workspace.file('peer') });
  });

  afterAll(async () => {
    await peer?.stop();
    workspace.remove();
  });

  const login = (): Promise<Dma> => Dma.login(peer.address, NDMJOB_USER, NDMJOB_PASSWORD);

  async function connectData(dma: Dma) {
    const { address, socket } = await listenForData();
    await dma.client.dataConnect(address);
    return socket;
  }

  test('it says who it is, and a wrong password is refused', async () => {
    const wrong = Dma.login(peer.address, NDMJOB_USER, 'wrong');
    await expect(wrong).rejects.toMatchObject({ error: NDMP_ERROR.notAuthorized });
    const dma = await login();
    expect(await dma.client.getServerInfo()).toMatchObject({ product: 'NDMJOB' });
    const { butypes } = await dma.client.getButypeInfo();
    expect(butypes.map(({ name }) => name)).toEqual(['tar', 'gtar', 'dump']);
    await expect(dma.client.dataListen(1)).rejects.toMatchObject({
      error: NDMP_ERROR.notSupported,
    });
    dma.client.close();
  });

  test('a backup streams to us with its history', async () => {
    const dma = await login();
    const data = readAll(await connectData(dma));
    const wanted = variables({ FILESYSTEM: source, TYPE: 'tar', HIST: 'y' });
    await dma.client.startBackup({ butype: 'tar', env: wanted });
    expect(await dma.halted()).toBe(DATA_HALT.successful);
    image = await data;
    expect((await dma.client.getState()).bytesProcessed).toBe(BigInt(image.length));
    env = await dma.client.getEnv();
    await dma.client.stop();
    dma.client.close();
    offsets = new Map(dma.files.map(({ name, fhInfo }) => [name.toString(), fhInfo]));
    expect([...offsets.keys()].sort()).toEqual([
      '/',
      '/one.txt',
      '/sub',
      '/sub/three',
      '/sub/two with blank',
    ]);
  });

  test.each(['y', 'n'])(
    'a recovery with DIRECT=%s asks for ranges and gets its files',
    async (direct) => {
      const dma = await login();
      const data = await connectData(dma);
      data.on('error', () => {});
      const ranges: bigint[] = [];
      dma.onDataRead = (offset, length) => {
        ranges.push(offset);
        const end = length === U64_MAX ? image.length : Number(offset + length);
        const padded = Buffer.alloc(Math.max(0, Math.min(end, 1 << 23) - Number(offset)));
        image.copy(padded, 0, Number(offset));
        data.write(padded);
        if (length === U64_MAX) data.end();
      };
      const place = mkdtempSync(workspace.file(`to-${direct}-`));
      const names = ['/sub/two with blank', '/one.txt'].map((path) =>
        nameEntry(path, `${place}${path}`, offsets.get(path)),
      );
      const request = { butype: 'tar', env: [...env, ...variables({ DIRECT: direct })], names };
      await dma.client.startRecover(request);
      expect(await dma.halted()).toBe(DATA_HALT.successful);
      await dma.client.stop();
      dma.client.close();
      data.destroy();
      expect(ranges.length).toBeGreaterThan(0);
      expect(readFileSync(`${place}/one.txt`, 'utf8')).toBe('one\n');
      const two = readFileSync(`${place}/sub/two with blank`);
      expect(two.equals(readFileSync(`${source}/sub/two with blank`))).toBe(true);
    },
  );
});

describe.skipIf(unavailable !== undefined)('NDMJOB as DMA of ndmpd', () => {
  const workspace = makeWorkspace();
  const source = workspace.file('source');
  const spare = workspace.file('spare');
  let server: { address: string; close(): Promise<void> };

  beforeAll(async () => {
    makeSampleTree(source);
    mkdirSync(spare);
    server = await startServer(workspace, { home: source, spare }, ['--allow-text-auth']);
  });

  afterAll(async () => {
    await server?.close();
    workspace.remove();
  });

  const agent = (flags: string): string => `${server.address}/${flags},${USER},${PASSWORD}`;

  test.each(['4m', '4t', '3m'])('it can query the server as %s', async (flags) => {
    const text = await runNdmjob(['-q', '-D', agent(flags)], 50_000);
    expect(text).toMatch(/Filesystem.*home|home.*\n/i);
    expect(text).toContain('tar');
  });

  test.each(['4m', '3m'])('its conformance series for data servers passes as %s', async (flags) => {
    const args = ['-v', '-d', '2', '-o', 'no-time-stamps', '-o', 'test-data', '-D', agent(flags)];
    const text = await runNdmjob(args, 50_000);
    expect(text).toMatch(/FINAL test-data Passed -- pass=\d+ warn=0 fail=0/);
  });

  test('it backs up to a TCP sink with history in an index', async () => {
    const { port, socket } = await listenForData();
    const image = socket.then(readAll);
    const index = workspace.file('index');
    const sink = `tape-tcp=127.0.0.1:${port}`;
    const what = ['-v', '-c', '-D', agent('4m'), '-B', 'tar', '-C', '/home'];
    const text = await runNdmjob([...what, '-I', index, '-f', 'none', '-o', sink], 50_000);
    expect(text).not.toMatch(/ended in failure|but had problems/);
    const listed = execFileSync('tar', ['-tf', '-'], { input: await image, maxBuffer: 1 << 26 });
    expect(listed.toString()).toContain('docs/readme.txt');
    expect(readFileSync(index, 'latin1')).toMatch(/DHf \/docs\/readme.txt UNIX .*@\d+/);
  });

  test('three ways: it moves our stream to its tape and back, whole and by direct access', async () => {
    const peer = await startNdmjob({ dir: workspace.file('tape-host') });
    try {
      const tapeHost = `${peer.address}/4m,${NDMJOB_USER},${NDMJOB_PASSWORD}`;
      const tape = ['-T', tapeHost, '-f', peer.tape, '-m', 'T1'];
      await runNdmjob(['-v', '-o', 'init-labels', ...tape], 50_000);
      const job = async (...args: string[]): Promise<void> => {
        const text = await runNdmjob(
          ['-v', '-D', agent('4m'), ...tape, '-B', 'tar', ...args],
          50_000,
        );
        expect(text).toContain('"Operation complete"');
        expect(text).not.toMatch(/ended in failure|ended questionably|but had problems/);
      };
      const index = workspace.file('three-way-index');
      await job('-c', '-C', '/home', '-I', index);
      const saved = ['-J', index, '-E', 'DR_ALIGN=10240']; // its mover serves whole records
      await job('-x', ...saved, '-E', 'DIRECT=n', '-C', '/spare/whole', '/docs');
      await job('-x', ...saved, '-E', 'DIRECT=y', '-C', '/spare/direct', '/data/random.bin');
      expect(readFileSync(`${spare}/whole/docs/readme.txt`, 'utf8')).toBe('hello\n');
      const random = readFileSync(`${spare}/direct/data/random.bin`);
      expect(random.equals(readFileSync(`${source}/data/random.bin`))).toBe(true);
    } finally {
      await peer.stop();
    }
  });
});
