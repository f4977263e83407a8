// The agent's own flow against an NDMP server that is not ours, in every version that it speaks: backup, restore of all,
// restore by direct access, and what a probe tells.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  type Ndmjob,
  ndmjobUnavailable,
  startNdmjob,
} from '../../../tools/peers/start-ndmjob.ts';
import { startMover } from './agent-kit.ts';
import { type AgentWorld, failureOf, grantOf, startAgent, startAgentWorld } from './agent-world.ts';
import { entryOf, ImageRuns, UNKNOWN_PLACE } from './image-runs.ts';

const unavailable = ndmjobUnavailable();
if (unavailable !== undefined) console.warn(`NDMJOB tests are skipped: ${unavailable}`);

describe.skipIf(unavailable !== undefined)('with NDMJOB as the filer', () => {
  let world: AgentWorld;
  let root: string;
  let data: string;
  let peer: Ndmjob;
  let daemon: Awaited<ReturnType<typeof startAgent>>;
  let job = 700n;

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'ndmpagent-ndmjob-'));
    world = await startAgentWorld();
    peer = await startNdmjob({ dir: join(root, 'peer') });
    const port = Number(peer.address.slice(peer.address.lastIndexOf(':') + 1));
    Object.assign(world.access, { port, user: NDMJOB_USER, password: NDMJOB_PASSWORD });
  });
  afterAll(async () => {
    await peer?.stop();
    await world?.stop();
    rmSync(root, { recursive: true, force: true });
  });
  beforeEach(() => {
    job += 1n;
    data = join(root, `data-${job}`);
    mkdirSync(join(data, 'sub'), { recursive: true });
    writeFileSync(join(data, 'hello.txt'), 'hello');
    writeFileSync(join(data, 'sub', 'big.bin'), Buffer.alloc(2_000_000, 7));
  });
  afterEach(() => daemon.stop());

  const startWith = async (version: number, env: Record<string, string> = {}): Promise<void> => {
    const stateDir = join(root, `agent-${job}`);
    mkdirSync(stateDir);
    daemon = await startAgent(world, stateDir, {
      NDMPAGENT_VERSION_MAX: String(version),
      ...env,
    });
  };

  const runsOf = () => new ImageRuns({ world, job, path: data, root });

  /** How it ends when the filer is sent to where nobody listens. */
  const failedBackup = async (host = '127.0.0.1') => {
    await world.agent.StartBackup({
      grant: grantOf(job),
      job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: data } },
      ...{ image: { backupId: `filer_${job}`, level: 0 } },
      moverAddresses: [{ host, port: 9 }],
    });
    return (await failureOf(world, grantOf(job))).status;
  };
  const startListening = (version: number): Promise<void> => {
    const file = join(root, 'filers.json');
    writeFileSync(file, JSON.stringify({ hosts: { filer: { dataConnection: 'listen' } } }));
    return startWith(version, { NDMPAGENT_FILERS_FILE: file });
  };

  test.each([4, 3])(
    'NDMP version %i: what it cannot connect to it cannot listen for: both are told',
    async (version) => {
      await startWith(version);
      const status = await failedBackup();
      expect(status).toMatchObject({ code: 99, context: { reason: 'moverUnreachable' } });
      expect(status?.detail).toMatch(
        /port 9: NDMP dataConnect .*the other way round: .*dataListen notSupported/,
      );
    },
  );

  test('NDMP version 4: without an IPv4 address to connect to, the failure says which to give', async () => {
    await startWith(4);
    const status = await failedBackup('::1');
    expect(status).toMatchObject({ code: 47, context: { reason: 'moverUnreachable' } });
    expect(status?.detail).toMatch(
      /filer takes data connections over IPv4 alone \(it has no extension for IPv6\).*BPTM_DATA_HOST/,
    );
  });

  test('NDMP version 2: set to listen, it is refused before anything starts', async () => {
    await startListening(2);
    expect((await failedBackup())?.detail).toMatch(/NDMP version 2.*cannot say that/);
  });

  test.each([4, 3])(
    'NDMP version %i: set to listen it refuses, and connects to the mover as ever',
    async (version) => {
      await startListening(version);
      const runs = runsOf();
      const saved = await runs.backUp();
      rmSync(join(data, 'sub'), { recursive: true });
      const path = join(data, 'sub', 'big.bin');
      const [place = UNKNOWN_PLACE] = await runs.places(saved, [path]);
      expect((await runs.restore(saved, [entryOf(path, place)], 1)).filesFailed).toBe(0n);
      expect(readFileSync(path).equals(Buffer.alloc(2_000_000, 7))).toBe(true);
      expect(runs.dialled).toEqual([]);
    },
  );

  test.each([4, 3, 2])(
    'NDMP version %i: what was saved comes back, whole and by direct access',
    async (version) => {
      await startWith(version);
      const runs = runsOf();
      const saved = await runs.backUp();
      expect(saved.done.haltedBytes).toBe(BigInt(saved.image.length));
      expect(saved.done.files).toBeGreaterThanOrEqual(4n);
      const paths = [join(data, 'hello.txt'), join(data, 'sub', 'big.bin')];
      const damage = (): void => {
        rmSync(join(data, 'sub'), { recursive: true });
        writeFileSync(paths[0]!, 'changed');
      };
      const isBack = (): void => {
        expect(readFileSync(paths[0]!, 'utf8')).toBe('hello');
        expect(readFileSync(paths[1]!).equals(Buffer.alloc(2_000_000, 7))).toBe(true);
      };
      damage();
      const whole = paths.map((path) => entryOf(path, UNKNOWN_PLACE));
      expect((await runs.restore(saved, whole, 1)).filesFailed).toBe(0n);
      isBack();
      damage();
      const known = await runs.places(saved, paths);
      expect(known).not.toContain(UNKNOWN_PLACE);
      const direct = paths.map((path, i) => entryOf(path, known[i]!));
      expect((await runs.restore(saved, direct, 2)).filesFailed).toBe(0n);
      isBack();
      expect(runs.dialled).toEqual([]);
    },
  );

  test.each([
    [4, 'NDMJOB', 'tar'],
    [3, 'NDMJOB', 'tar'],
    [2, 'NDMP server', 'dump'],
  ])('NDMP version %i: a probe knows %s and takes type %s', async (version, name, type) => {
    await startWith(4);
    const { facts } = await world.cli.Probe({
      ...{ address: '127.0.0.1', port: world.access.port, versionMax: version },
      ...{ user: NDMJOB_USER, password: NDMJOB_PASSWORD },
    });
    const value = (group: string, fact: string) =>
      facts.find((each) => each.group === group && each.name === fact)?.value;
    expect(value('we use', 'NDMP version')).toMatch(new RegExp(`^${version};`));
    expect(value('we use', 'profile')).toMatch(new RegExp(`^${name};`));
    expect(value('we use', 'backup type')).toMatch(new RegExp(`^${type};`));
    expect(value('server', 'data connections')).toBe('local tcp');
    expect(value('server', 'log-ins offered')).toMatch(/md5/);
    if (version > 2) {
      expect(value('tape', peer.tape)).toBeDefined();
      expect(value('changer', peer.library)).toBeDefined();
      expect(value('file system', '/')).toMatch(/ext4/);
    }
  });

  test('a log-in in clear text works where it is allowed and MD5 fails', async () => {
    await startWith(4);
    const request = { address: '127.0.0.1', port: world.access.port, user: NDMJOB_USER };
    const wrong = world.cli.Probe({ ...request, password: 'wrong', auth: 'text' });
    await expect(wrong).rejects.toMatchObject({ detail: expect.stringMatching(/tpconfig/) });
    const { facts } = await world.cli.Probe({
      ...request,
      password: NDMJOB_PASSWORD,
      auth: 'text',
    });
    expect(facts.find(({ name }) => name === 'log-in')?.value).toBe('MD5');
  });

  test('a path that is not there fails, and is not taken for a good backup', async () => {
    // It says that all went well, and sends nothing.
    await startWith(3);
    const mover = await startMover();
    await world.agent.StartBackup({
      grant: grantOf(job),
      job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: join(root, 'nowhere') } },
      image: { backupId: `filer_${job}`, level: 0 },
      moverAddresses: [{ host: '127.0.0.1', port: mover.port }],
    });
    const failed = await failureOf(world, grantOf(job));
    mover.close();
    expect(failed.status).toMatchObject({ code: 99, context: { reason: 'nothingSent' } });
  });
});
