// `npm run demo`: a real NDMP backup through every daemon onto a virtual tape, and its restore, byte for byte.

import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { layoutOf, ROOT, readJson, type SystemRecord } from '../launcher/layout.ts';
import { type Comparison, compareTrees } from './compare.ts';
import { configureSteps } from './configure.ts';
import { type Filer, startFiler } from './filer.ts';
import { CommandFailed, type Commands, makeCommands, makeStages, type Stages } from './stages.ts';
import { DEMO_SIZE, makeTree } from './tree.ts';

const USAGE = `npm run demo [-- --source DIR] [--keep] [--state DIR]

Backs up DIR (default: a generated tree of some 5,000 files and 500 MB) over NDMP onto a virtual tape, restores it into
another folder and compares the two. Exits with 0 only when they are equal.

  --source DIR  folder to protect; it is only read
  --keep        leave everything running, and say how to stop it
  --state DIR   folder for everything that the demo makes (default: .state/demo)
`;

const { values } = parseArgs({
  options: {
    source: { type: 'string' },
    state: { type: 'string' },
    keep: { type: 'boolean' },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}

const dir = resolve(values.state ?? join(ROOT, '.state/demo'));
const source = values.source === undefined ? join(dir, 'data') : resolve(values.source);
const restored = join(dir, 'restored');
const libraryDir = join(dir, 'library');
const stateDir = join(dir, 'system');
const commands = makeCommands(stateDir);
const stages = makeStages();
const startedMs = performance.now();
let filer: Filer | undefined;

let ending = false;
process.exit(await main());

async function main(): Promise<number> {
  if (values.source !== undefined && !existsSync(source)) {
    process.stderr.write(`demo: there is no folder ${source}\n`);
    return 20;
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      void stopAll().finally(() => process.exit(130));
    });
  }
  try {
    const result = await demonstrate(stages, commands);
    return await conclude(result);
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    process.stderr.write(`\nThe demo failed: ${what}\nLogs: ${layoutOf(stateDir).logDir}\n`);
    await stopAll();
    return error instanceof CommandFailed ? error.code : 1;
  }
}

async function demonstrate(stage: Stages, run: Commands): Promise<Comparison> {
  await stage.run('Make the data to protect', prepare);
  await stage.run(
    'Start PostgreSQL, the bus, all daemons and the console; start the filer',
    async () => {
      const exports = { data: source, restore: restored };
      const starting = startFiler({
        ...{ dir: join(dir, 'filer'), exports, detached: values.keep === true },
      }).then((started) => {
        filer = started;
      });
      const started = await Promise.allSettled([
        starting,
        run.show('bp.start_all', '--state', stateDir, '--host', 'media1'),
      ]);
      for (const each of started) if (each.status === 'rejected') throw each.reason;
    },
  );
  await stage.run('Configure', () => configure(run, filer!));
  await stage.run('Back up', () =>
    run.show('bpbackup', '-i', '-p', 'demo', '-s', 'full', '-h', 'filer1', '-w'),
  );
  await stage.run('Browse', async () => {
    await run.show('bpimagelist', '-U', '-client', 'filer1');
    await run.read(12, 'bplist', '-C', 'filer1', '-t', '19', '-l', '-R', '/data');
  });
  await stage.run('Restore into another folder', () =>
    run.show('bprestore', '-C', 'filer1', '-t', '19', '-R', join(dir, 'rename'), '-w', '/data'),
  );
  return await stage.run('Compare the two trees', async () => compareTrees(source, restored));
}

async function prepare(): Promise<void> {
  if (existsSync(layoutOf(stateDir).supervisorFile))
    await commands.show('bp.kill_all', '--state', stateDir);
  for (const old of [restored, libraryDir, stateDir, join(dir, 'filer')]) {
    rmSync(old, { recursive: true, force: true });
  }
  mkdirSync(restored, { recursive: true });
  writeFileSync(join(dir, 'rename'), 'change /data to /restore\n');
  if (values.source !== undefined) {
    process.stdout.write(`   protecting ${source}\n`);
    return;
  }
  rmSync(source, { recursive: true, force: true });
  makeTree(source, DEMO_SIZE);
  process.stdout.write(
    `   some ${DEMO_SIZE.files} files and ${DEMO_SIZE.bytes / 1e6} MB in ${source}\n`,
  );
}

async function configure(run: Commands, server: Filer): Promise<void> {
  const site = { libraryDir, capacity: '4g', host: 'media1', filer: server, path: '/data' };
  for (const { words, wantsPassword } of configureSteps(site)) {
    const [command = '', ...args] = words;
    if (wantsPassword) await run.showWithInput(`${server.password}\n`, command, ...args);
    else await run.show(command, ...args);
  }
}

async function conclude(result: Comparison): Promise<number> {
  const equal = result.differences.length === 0 && result.files > 0;
  const consoleUrl = readJson<SystemRecord>(layoutOf(stateDir).systemFile)?.consoleUrl ?? '';
  process.stdout.write('\n== Summary\n');
  for (const { title, seconds } of stages.times()) {
    process.stdout.write(`   ${seconds.toFixed(1).padStart(6)} s  ${title}\n`);
  }
  const total = (performance.now() - startedMs) / 1000;
  process.stdout.write(`   ${total.toFixed(1).padStart(6)} s  in all\n\n`);
  const { files, folders, others, bytes } = result;
  process.stdout.write(
    `   compared ${files} files (${(Number(bytes) / 1e6).toFixed(0)} MB), ${folders} folders, ${others} links and others\n`,
  );
  for (const difference of result.differences)
    process.stdout.write(`   DIFFERENT: ${difference}\n`);
  process.stdout.write(
    equal ? '   The restored tree is equal to its source.\n' : '   The trees DIFFER.\n',
  );
  process.stdout.write(
    `   Console: ${consoleUrl} (login in ${layoutOf(stateDir).secretsDir}/console.passwd)\n`,
  );
  if (values.keep) {
    process.stdout.write(
      `   Left running. Stop it with: npm stop -- --state ${stateDir}; kill ${filer?.pid} (the filer)\n`,
    );
  } else {
    await stopAll();
  }
  return equal ? 0 : 1;
}

async function stopAll(): Promise<void> {
  await filer?.stop();
  await commands.show('bp.kill_all', '--state', stateDir).catch(() => undefined);
}
