// The servers that are measured: ndmpd, and NDMJOB where it can be had.

import { execFile, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  ndmjobUnavailable,
  startNdmjob,
} from '../../../tools/peers/start-ndmjob.ts';
import type { Login } from './dma.ts';

const MAIN = new URL('../src/main.ts', import.meta.url).pathname;
const FAST_FORMAT = new URL('../../../tools/peers/fast-format.c', import.meta.url).pathname;
const USER = 'bench';
const TICKS_A_SECOND = 100;

export interface BenchServer {
  readonly name: string;
  readonly login: Login;
  /** How the server calls a folder of the work directory. */
  nameOf(folder: string): string;
  /** Of its processes, each at its own peak; undefined where that is not told. */
  peakMb(): number | undefined;
  /** Spent by all its processes up to now; undefined where that is not told. */
  cpuSeconds(): number | undefined;
  stop(): Promise<void>;
}

export async function startNdmpd(work: string): Promise<BenchServer> {
  const password = join(work, 'password');
  writeFileSync(password, USER);
  const flags = ['--listen', '127.0.0.1:0', '--user', USER, '--password-file', password];
  const args = [MAIN, ...flags, '--export', `bench=${work}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const kill = (): boolean => child.kill();
  process.once('exit', kill);
  const first = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  if (first.done) throw new Error('ndmpd ended at its start');
  return {
    name: 'ndmpd',
    login: { address: JSON.parse(first.value).address, user: USER, password: USER },
    nameOf: (folder) => `/bench/${folder}`,
    peakMb: () => peakOfTree(child.pid ?? 0),
    cpuSeconds: () => cpuOfTree(child.pid ?? 0),
    stop: async () => {
      process.off('exit', kill);
      kill();
      await ended;
    },
  };
}

/** NDMJOB as data server, with a formatter made for speed; or the reason why there is none to compare with. */
export async function startPeer(work: string): Promise<BenchServer | string> {
  const reason = ndmjobUnavailable();
  if (reason !== undefined) return reason;
  const formatter = join(work, 'fast-format');
  try {
    await promisify(execFile)('cc', ['-O2', '-o', formatter, FAST_FORMAT]);
  } catch {
    return 'no C compiler for its formatter';
  }
  const peer = await startNdmjob({ dir: join(work, 'ndmjob'), formatter });
  return {
    name: 'NDMJOB',
    login: { address: peer.address, user: NDMJOB_USER, password: NDMJOB_PASSWORD },
    nameOf: (folder) => join(work, folder),
    peakMb: () => undefined,
    cpuSeconds: () => undefined, // nobody keeps the account of its formatters
    stop: () => peer.stop(),
  };
}

function peakOfTree(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const own = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
  return childrenOf(pid).reduce((sum, child) => sum + peakOfTree(child), own);
}

/** Seconds of a process, of its children and of those that it has buried. */
function cpuOfTree(pid: number): number {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  const words = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const own = words.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / TICKS_A_SECOND;
  return childrenOf(pid).reduce((sum, child) => sum + cpuOfTree(child), own);
}

function childrenOf(pid: number): number[] {
  return readdirSync(`/proc/${pid}/task`)
    .flatMap((task) => readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1').split(' '))
    .filter((word) => word !== '')
    .map(Number);
}
