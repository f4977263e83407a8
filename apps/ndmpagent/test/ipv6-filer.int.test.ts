// Data connections over IPv6: with ndmpd, which has the extension for it, reached over either family; and what is said of
// a filer that has none.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { FILER_PASSWORD, FILER_USER, type FilerProcess, startFiler } from './agent-kit.ts';
import { type AgentWorld, failureOf, grantOf, startAgent, startAgentWorld } from './agent-world.ts';
import { entryOf, ImageRuns, UNKNOWN_PLACE } from './image-runs.ts';
import { startScriptedFiler } from './scripted-filer.ts';

const BIG = Buffer.alloc(2_000_000, 7);
const NOBODY6 = { host: '::1', port: 9 };
const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === '::1');
if (!hasIpv6) console.warn('IPv6 tests are skipped: this host has no ::1');

describe.skipIf(!hasIpv6)('over IPv6', () => {
  let world: AgentWorld;
  let root: string;
  let data: string;
  let filer: FilerProcess | undefined;
  let daemon: Awaited<ReturnType<typeof startAgent>> | undefined;
  let job = 900n;

  beforeAll(async () => {
    world = await startAgentWorld();
  });
  afterAll(() => world.stop());
  beforeEach(() => {
    job += 1n;
    root = mkdtempSync(join(tmpdir(), 'ndmpagent-ipv6-'));
    data = join(root, 'data');
    mkdirSync(join(data, 'sub'), { recursive: true });
    writeFileSync(join(data, 'hello.txt'), 'hello');
    writeFileSync(join(data, 'sub', 'big.bin'), BIG);
  });
  afterEach(async () => {
    await daemon?.stop();
    await filer?.stop();
    filer = undefined;
    rmSync(root, { recursive: true, force: true });
  });

  const startAt = async (address: string, env: Record<string, string> = {}): Promise<void> => {
    const listen = address.includes(':') ? `[${address}]:0` : `${address}:0`;
    filer = await startFiler(root, data, ['--listen', listen]);
    const login = { user: FILER_USER, password: FILER_PASSWORD };
    Object.assign(world.access, { address, port: filer.port, ...login });
    daemon = await startAgent(world, root, env);
  };

  /** Where ndmpd says that the data are from, it has to be told nothing: it connects or is connected to. */
  async function saveAndRestore(runs: ImageRuns): Promise<void> {
    const saved = await runs.backUp();
    expect(saved.done.haltedBytes).toBe(BigInt(saved.image.length));
    const files = { '/data/hello.txt': Buffer.from('hello'), '/data/sub/big.bin': BIG };
    const paths = Object.keys(files);
    const places = await runs.places(saved, paths);
    expect(places).not.toContain(UNKNOWN_PLACE);
    for (const [step, known] of [[], places].entries()) {
      writeFileSync(join(data, 'hello.txt'), 'changed');
      rmSync(join(data, 'sub'), { recursive: true });
      const entries = paths.map((path, i) => entryOf(path, known[i] ?? UNKNOWN_PLACE));
      expect((await runs.restore(saved, entries, step + 1)).filesFailed).toBe(0n);
      for (const [path, content] of Object.entries(files)) {
        expect(readFileSync(join(root, path)).equals(content)).toBe(true);
      }
    }
  }

  test.each(['::1', '127.0.0.1'])(
    'a filer reached at %s connects to a mover that has an IPv6 address alone',
    async (address) => {
      await startAt(address);
      await saveAndRestore(new ImageRuns({ world, job, path: '/data', root, moverHost: '::1' }));
    },
  );

  test('a filer reached at ::1 connects to a mover that has an IPv4 address alone', async () => {
    await startAt('::1');
    await saveAndRestore(new ImageRuns({ world, job, path: '/data', root }));
  });

  test('a filer reached at ::1 listens there', async () => {
    const file = join(root, 'filers.json');
    writeFileSync(file, JSON.stringify({ hosts: { filer: { dataConnection: 'listen' } } }));
    await startAt('::1', { NDMPAGENT_FILERS_FILE: file });
    const runs = new ImageRuns({ world, job, path: '/data', root, moverAddress: NOBODY6 });
    await saveAndRestore(runs);
    expect(runs.dialled.map(([first]) => first?.host)).toEqual(Array(3).fill('::1'));
  });

  const failedBackup = async () => {
    await world.agent.StartBackup({
      ...{ grant: grantOf(job), moverAddresses: [NOBODY6] },
      job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/data' } },
      image: { backupId: `filer_${job}`, level: 0 },
    });
    return (await failureOf(world, grantOf(job))).status;
  };

  test('a filer of an older version is told to need an IPv4 address', async () => {
    await startAt('::1', { NDMPAGENT_VERSION_MAX: '3' });
    expect(await failedBackup()).toMatchObject({
      code: 47,
      detail: expect.stringMatching(
        /filer takes .* IPv4 alone \(it speaks NDMP version 3\).* BPTM_DATA_HOST/,
      ),
    });
  });

  test('a filer without the extension is asked once, and told to need an IPv4 address', async () => {
    const scripted = await startScriptedFiler({
      configGetExtList: () => ({ fields: { classes: [] } }),
    });
    try {
      Object.assign(world.access, { address: '127.0.0.1', port: scripted.port });
      daemon = await startAgent(world, root);
      expect(await failedBackup()).toMatchObject({
        code: 47,
        detail: expect.stringMatching(/IPv4 alone \(it has no extension for IPv6\).*\(::1\)/),
      });
      const names = scripted.heard.map(({ name }) => name);
      expect(names.filter((name) => name === 'configGetExtList')).toHaveLength(1);
      expect(names).not.toContain('configSetExtList');
      expect(names).not.toContain('dataConnect');
    } finally {
      scripted.close();
    }
  });
});
