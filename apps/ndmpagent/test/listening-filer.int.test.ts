// ndmpd as a filer that listens for its data connection: set so, or because it cannot connect to the mover.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { FILER_PASSWORD, type FilerProcess, startFiler } from './agent-kit.ts';
import { type AgentWorld, startAgent, startAgentWorld } from './agent-world.ts';
import { entryOf, ImageRuns, UNKNOWN_PLACE } from './image-runs.ts';

let world: AgentWorld;
let root: string;
let data: string;
let filer: FilerProcess;
let daemon: Awaited<ReturnType<typeof startAgent>> | undefined;
let job = 800n;

const BIG = Buffer.alloc(2_000_000, 7);
/** The discard port: nobody listens. */
const NOBODY = { host: '127.0.0.1', port: 9 };

beforeAll(async () => {
  world = await startAgentWorld();
});
afterAll(() => world.stop());
beforeEach(async () => {
  job += 1n;
  root = mkdtempSync(join(tmpdir(), 'ndmpagent-listen-'));
  data = join(root, 'data');
  mkdirSync(join(data, 'sub'), { recursive: true });
  writeFileSync(join(data, 'hello.txt'), 'hello');
  writeFileSync(join(data, 'sub', 'big.bin'), BIG);
  filer = await startFiler(root, data);
  Object.assign(world.access, { port: filer.port, password: FILER_PASSWORD });
});
afterEach(async () => {
  await daemon?.stop();
  await filer.stop();
  rmSync(root, { recursive: true, force: true });
});

test.each([
  [4, 'set to', { filer: { dataConnection: 'listen' } }],
  [3, 'set to', { filer: { dataConnection: 'listen' } }],
  [4, 'because its own connection is refused', {}],
  [3, 'because its own connection is refused', {}],
])('NDMP version %i, it listens %s: whole, and by direct access', async (version, _why, hosts) => {
  const file = join(root, 'filers.json');
  writeFileSync(file, JSON.stringify({ hosts }));
  daemon = await startAgent(world, root, {
    NDMPAGENT_FILERS_FILE: file,
    NDMPAGENT_VERSION_MAX: String(version),
  });
  const runs = new ImageRuns({ world, job, path: '/data', root, moverAddress: NOBODY });
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
  expect(runs.dialled.map(([first]) => first?.host)).toEqual(Array(3).fill('127.0.0.1'));
});
