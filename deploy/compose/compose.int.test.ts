// The whole system in containers: images built here, brought up, a filer backed up and restored, a daemon killed, and all
// taken down. Runs where TAPESTRY_CONTAINERS=1 says that there is an engine.

import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { OFFLINE_IMAGES } from '../images/images.ts';
import { type Composition, openComposition } from './composition.ts';
import { type DemoSteps, demoSteps } from './demo-steps.ts';

const asked = process.env.TAPESTRY_CONTAINERS === '1';
const MINUTES = 60_000;
const SIZE = { files: 400, bytes: 40_000_000 };
let system: Composition;
let steps: DemoSteps;

beforeAll(async () => {
  if (!asked) return;
  // CI has just built them, for the servers of other tests too.
  if (process.env.TAPESTRY_IMAGES !== 'built') {
    const script = join(import.meta.dirname, '../images/build.ts');
    execFileSync(process.execPath, [script, '--offline'], { stdio: ['ignore', 'ignore', 'pipe'] });
  }
  system = openComposition({
    project: `tapestry-test-${process.pid}`,
    env: {
      NATS_IMAGE: OFFLINE_IMAGES.nats,
      POSTGRES_IMAGE: OFFLINE_IMAGES.postgres,
      // Docker takes a free one.
      CONSOLE_PORT: '0',
    },
    onOutput: () => undefined,
  });
  steps = demoSteps(system, () => undefined);
}, 10 * MINUTES);

afterAll(async () => {
  if (asked) await system.down();
}, 5 * MINUTES);

test(
  'a filer is backed up and restored by commands in containers, also after a crash of bptm',
  async ({ skip }) => {
    if (!asked) skip('needs a container engine: TAPESTRY_CONTAINERS=1');
    await system.up();
    await system.waitHealthy(8 * MINUTES);
    await steps.makeTree(SIZE);
    await steps.configure();
    await steps.backUp();
    expect(await steps.browse()).toContain('filer1');
    await steps.restore();
    expect(await steps.compare()).toMatch(/^compared \d{3} files/);

    await system.crash('bptm');
    await expect.poll(() => startsOf(system, 'bptm-media1'), { timeout: MINUTES }).toBe(2);
    await system.waitHealthy(5 * MINUTES);
    await steps.backUp();
    expect((await steps.browse()).match(/filer1_\d+/g)).toHaveLength(2);
  },
  25 * 60_000,
);

test('no secret shows in the logs or the environment of a container', async ({ skip }) => {
  if (!asked) skip('needs a container engine: TAPESTRY_CONTAINERS=1');
  const password = (await system.exec('commands', ['cat', '/run/tapestry/bus-password'])).trim();
  expect(password.length).toBeGreaterThan(20);
  for (const service of ['commands', 'nats', 'nbjm']) {
    expect(await system.logs(service)).not.toContain(password);
    expect(await system.exec(service, ['env'])).not.toContain(password);
  }
  // Another service's secrets are not in this container at all.
  await expect(
    system.exec('nbrb', ['grep', '-r', '-l', password, '/run/tapestry']),
  ).rejects.toThrow(/ended with 1/);
}, 60_000);

/** How often the daemon of a container has started. */
async function startsOf(composition: Composition, service: string): Promise<number> {
  const logs = await composition.logs(service);
  return logs.match(/"msg":"started"/g)?.length ?? 0;
}
