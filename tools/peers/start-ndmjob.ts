// Starts NDMJOB (Debian package amanda-common) as an NDMP server on loopback: DATA with our formatter,
// TAPE and ROBOT on simulator files. For tests against a server that is not ours.
//
//   node tools/peers/start-ndmjob.ts DIR [PORT]      runs until SIGTERM or SIGINT

import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  accessSync,
  chmodSync,
  constants,
  existsSync,
  mkdirSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect } from 'node:net';
import { delimiter, dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { freePort } from '@tapestry/servers';

const HERE = dirname(fileURLToPath(import.meta.url));
const CACHE = join(HERE, '..', '..', '.cache', 'peers');
const DEBIAN_PATH = '/usr/lib/amanda/ndmjob';
const READY_TIMEOUT_MS = 20_000;

export const NDMJOB_USER = 'ndmp';
export const NDMJOB_PASSWORD = 'ndmp';

export interface NdmjobOptions {
  /** Work folder: configuration, tape and library files, logs. Made when missing. */
  dir: string;
  /** 0 or left out: a free one. */
  port?: number;
  /** Size of simulated tapes. */
  tapeLimitBytes?: number;
  /** The program that reads and writes files for its DATA agent; wrap-tar.ts when left out. */
  formatter?: string;
}

export interface Ndmjob {
  /** HOST:PORT of the control connection; user and password are NDMJOB_USER and NDMJOB_PASSWORD. */
  address: string;
  /** Device name of a lone simulated drive. */
  tape: string;
  /** Device name of the simulated changer: drives at 128 and 129, slots from 1024. */
  library: string;
  stop(): Promise<void>;
}

/** Why NDMJOB cannot be started here; undefined when it can. Tests skip with this reason. */
export function ndmjobUnavailable(): string | undefined {
  try {
    findNdmjob();
    buildShim();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}

/** Resolves once connections are taken. Rejects with the reason when there is no NDMJOB. */
export async function startNdmjob(options: NdmjobOptions): Promise<Ndmjob> {
  const program = findNdmjob();
  const shim = buildShim();
  const port = options.port || (await freePort());
  const dir = options.dir;
  const bin = join(dir, 'bin');
  for (const folder of [dir, bin, join(dir, 'lib')]) mkdirSync(folder, { recursive: true });
  writeFormatter(bin, options.formatter);
  makeTapes(dir);
  const config = join(dir, 'ndmjob.conf');
  writeFileSync(config, configuration(dir));
  const limit = options.tapeLimitBytes;
  const args = ['-o', 'daemon', '-p', String(port), '-o', `config-file=${config}`, '-d0'];
  if (limit !== undefined) args.push('-o', `tape-limit=${limit}`);
  const child = spawn(program, args, {
    cwd: dir,
    stdio: 'ignore',
    detached: true, // its sessions are processes of their own: the group ends them all
    env: environment(program, bin, shim),
  });
  const ended = once(child, 'exit');
  const kill = (): boolean => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null)
      return false;
    return process.kill(-child.pid, 'SIGKILL');
  };
  process.once('exit', kill);
  const stop = async (): Promise<void> => {
    process.off('exit', kill);
    if (kill()) await ended;
  };
  try {
    await ready(port, () => child.exitCode !== null);
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    address: `127.0.0.1:${port}`,
    tape: join(dir, 'tape0'),
    library: join(dir, 'lib'),
    stop,
  };
}

/**
 * Runs NDMJOB as a DMA and resolves with all it printed. Its exit status says little: read the text.
 * `agent` words look like HOST:PORT/4m,USER,PASSWORD.
 */
export function runNdmjob(args: string[], timeoutMs: number): Promise<string> {
  const program = findNdmjob();
  const env = environment(program, CACHE, buildShim());
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { env, timeout: timeoutMs }, (error, stdout, stderr) => {
      if (error?.killed) reject(new Error(`ndmjob took longer than ${timeoutMs} ms`));
      else resolve(`${stdout}${stderr}`);
    });
    child.stdin?.end();
  });
}

function environment(program: string, bin: string, shim: string): NodeJS.ProcessEnv {
  const env: NodeJS.ProcessEnv = { ...process.env };
  env.PATH = [bin, env.PATH ?? ''].join(delimiter);
  env.LD_PRELOAD = shim;
  // A copy from the cache brings its libraries beside it.
  if (program.startsWith(CACHE)) env.LD_LIBRARY_PATH = dirname(program);
  return env;
}

function findNdmjob(): string {
  const folders = (process.env.PATH ?? '').split(delimiter).filter((folder) => folder !== '');
  const cached = join(CACHE, 'root', DEBIAN_PATH);
  for (const candidate of [...folders.map((f) => join(f, 'ndmjob')), DEBIAN_PATH, cached]) {
    if (isExecutable(candidate)) return candidate;
  }
  return unpackDebian(cached);
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** Downloads the package with apt and unpacks it into the cache; needs no root. */
function unpackDebian(program: string): string {
  mkdirSync(CACHE, { recursive: true });
  try {
    const quiet = { cwd: CACHE, stdio: 'ignore', timeout: 120_000 } as const;
    execFileSync('apt-get', ['download', 'amanda-common'], quiet);
    const file = readdirSync(CACHE).find((name) => /^amanda-common_.*\.deb$/.test(name));
    execFileSync(
      'dpkg-deb',
      ['-x', join(CACHE, file ?? 'missing.deb'), join(CACHE, 'root')],
      quiet,
    );
  } catch (cause) {
    throw new Error('no ndmjob here, and amanda-common cannot be downloaded', { cause });
  }
  if (!isExecutable(program)) throw new Error('amanda-common brought no ndmjob');
  return program;
}

/** Without it NDMJOB, whose password is fixed, would listen on every interface. */
function buildShim(): string {
  const shim = join(CACHE, 'loopback-shim.so');
  if (existsSync(shim)) return shim;
  mkdirSync(CACHE, { recursive: true });
  const draft = `${shim}.${process.pid}`;
  try {
    const source = join(HERE, 'loopback-shim.c');
    execFileSync('cc', ['-O2', '-shared', '-fPIC', '-o', draft, source], { stdio: 'ignore' });
    execFileSync('mv', [draft, shim]);
  } catch (cause) {
    throw new Error('no C compiler to keep ndmjob on loopback', { cause });
  }
  return shim;
}

/** NDMJOB runs "wrap_TYPE" from its PATH. */
function writeFormatter(bin: string, formatter: string | undefined): void {
  const own = `'${process.execPath}' '${join(HERE, 'wrap-tar.ts')}'`;
  const command = formatter === undefined ? own : `'${formatter}'`;
  const script = `#!/bin/sh\nunset LD_PRELOAD\nexec ${command} "$@"\n`;
  for (const type of ['tar', 'gtar', 'dump']) {
    const path = join(bin, `wrap_${type}`);
    writeFileSync(path, script);
    chmodSync(path, 0o755);
  }
}

/** Empty simulator files, and no lock that a killed session left behind. */
function makeTapes(dir: string): void {
  const slots = Array.from({ length: 10 }, (_, i) => join(dir, 'lib', `slot${i}`));
  const isFresh = !existsSync(join(dir, 'lib', 'state'));
  for (const file of [join(dir, 'tape0'), ...(isFresh ? slots : [])]) {
    if (!existsSync(file)) writeFileSync(file, '');
  }
  for (const folder of [dir, join(dir, 'lib')]) {
    for (const name of readdirSync(folder)) if (name.endsWith('.lck')) rmSync(join(folder, name));
  }
}

function configuration(dir: string): string {
  const stanza = (head: string, ...lines: string[]): string =>
    [`[${head}]`, ...lines.map((line) => `\t${line}`), ''].join('\n');
  const none = ['v3attr 0x0', 'v4attr 0x0'];
  return [
    stanza('password', `password ${NDMJOB_USER} ${NDMJOB_PASSWORD}`),
    ...['tar', 'gtar', 'dump'].map((type) =>
      stanza(
        `butype ${type}`,
        'v2attr 0xFFFF',
        'v3attr 0x7F',
        'v4attr 0x61E',
        'default_env HIST y',
      ),
    ),
    ...['tape0', 'lib/drive0', 'lib/drive1'].map((name) =>
      stanza(`tape sim-${name.replace('lib/', '')}`, `device ${join(dir, name)}`, ...none),
    ),
    stanza('scsi robot', `device ${join(dir, 'lib')}`, ...none),
    stanza('fs /', 'fs_status online', 'fs_physical_device sim', 'fs_type ext4'),
  ].join('\n');
}

async function ready(port: number, isDead: () => boolean): Promise<void> {
  const deadline = Date.now() + READY_TIMEOUT_MS;
  while (Date.now() < deadline) {
    if (isDead()) throw new Error('ndmjob ended at once');
    if (await answers(port)) return;
    await pause(50);
  }
  throw new Error(`ndmjob does not answer on port ${port}`);
}

async function answers(port: number): Promise<boolean> {
  const socket = connect({ host: '127.0.0.1', port });
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [dir = join(CACHE, 'run'), port = '0'] = process.argv.slice(2);
  const peer = await startNdmjob({ dir, port: Number(port) });
  const { address, tape, library } = peer;
  console.log(JSON.stringify({ ready: true, address, tape, library, user: NDMJOB_USER }));
  let ending = false;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      if (ending) return;
      ending = true;
      void peer.stop().then(() => process.exit(0));
    });
  }
}
