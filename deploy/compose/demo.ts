// node deploy/compose/demo.ts: builds the images, brings the whole system up in containers, backs a filer up, restores it,
// compares the two trees, and takes everything down.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { OFFLINE_IMAGES } from '../images/images.ts';
import { openComposition } from './composition.ts';
import { demoSteps } from './demo-steps.ts';

const USAGE = `node deploy/compose/demo.ts [--offline] [--no-build] [--keep] [--files N] [--bytes N]

  --offline   pull no image: make all of them from what this machine has
  --no-build  use the images that are there
  --keep      leave it running (docker-compose -p tapestry-demo down -v ends it)
  --files N   how many files the demo makes (5000), and
  --bytes N   how many bytes in all (500000000)
CONSOLE_PORT  port of the console on loopback (8080)
`;

const { values } = parseArgs({
  options: {
    offline: { type: 'boolean', default: false },
    'no-build': { type: 'boolean', default: false },
    keep: { type: 'boolean', default: false },
    files: { type: 'string', default: '5000' },
    bytes: { type: 'string', default: '500000000' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
const show = (text: string): void => void process.stdout.write(text);
const images = values.offline
  ? { NATS_IMAGE: OFFLINE_IMAGES.nats, POSTGRES_IMAGE: OFFLINE_IMAGES.postgres }
  : {};
const system = openComposition({ project: 'tapestry-demo', env: images, onOutput: show });
process.exitCode = await main();

async function main(): Promise<number> {
  try {
    if (!values['no-build']) await stage('Build the images', buildImages);
    await demonstrate();
    show('\nThe restored tree is equal to its source.\n');
    return 0;
  } catch (error) {
    process.stderr.write(`\nThe demo failed: ${(error as Error).message}\n`);
    return 1;
  } finally {
    if (!values.keep) await stage('Take everything down', () => system.down());
  }
}

async function demonstrate(): Promise<void> {
  const steps = demoSteps(system, show);
  const size = { files: Number(values.files), bytes: Number(values.bytes) };
  await stage('Bring the system up', () => system.up());
  await stage('Wait until all is healthy', () => system.waitHealthy(300_000));
  await stage('Make the data to protect', () => steps.makeTree(size));
  await stage('Configure', () => steps.configure());
  await stage('Back up', () => steps.backUp());
  await stage('Browse', () => steps.browse());
  await stage('Restore into another folder', () => steps.restore());
  await stage('Compare the two trees', async () => show(await steps.compare()));
}

async function buildImages(): Promise<void> {
  const script = join(import.meta.dirname, '../images/build.ts');
  const args = values.offline ? ['--offline'] : [];
  const { status } = spawnSync(process.execPath, [script, ...args], { stdio: 'inherit' });
  if (status !== 0) throw new Error('the images could not be built');
}

async function stage(title: string, work: () => Promise<unknown>): Promise<void> {
  show(`\n== ${title}\n`);
  const startedMs = performance.now();
  await work();
  show(`   (${((performance.now() - startedMs) / 1000).toFixed(1)} s)\n`);
}
