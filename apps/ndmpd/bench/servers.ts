// The servers that are measured: ndmpd, and NDMJOB where it can be had.

import { execFile, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
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

export interface BenchServer {
  readonly name: string;
  readonly login: Login;
  /** How the server calls a folder of the work directory. */
  nameOf(folder: string): string;
  /** Of its processes, each at its own peak; undefined where that is not told. */
  peakMb(): number | undefined;
  stop(): Promise<void>;
}

export async function startNdmpd(work: string): Promise<BenchServer> {
  const password = join(work, 'password');
  writeFileSync(password, USER);
  const flags = ['--listen', '127.0.0.1:0', '--user', USER, '--password-file', password];
  const args = [MAIN, ...flags, '--export', `bench=${work}`];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const first = await createInterface({ input: child.stdout })[Symbol.asyncIterator]().next();
  if (first.done) throw new Error('ndmpd ended at its start');
  return {
    name: 'ndmpd',
    login: { address: JSON.parse(first.value).address, user: USER, password: USER },
    nameOf: (folder) => `/bench/${folder}`,
    peakMb: () => peakOfTree(child.pid ?? 0),
    stop: async () => {
      child.kill();
      await ended;
    },
  };
}

/** NDMJOB as data server, with a formatter made for speed; or the reason why there is none to compare with. */
export async function startPeer(work: string): Promise<BenchServer | string> {
  const reason = ndmjobUnavailable();
  if (reason !== undefined) return reason;
  const formatter = join(work, 'fast-format');
  await promisify(execFile)('cc', ['-O2', '-o', formatter, FAST_FORMAT]);
  const peer = await startNdmjob({ dir: join(work, 'ndmjob'), formatter });
  return {
    name: 'NDMJOB',
    login: { address: peer.address, user: NDMJOB_USER, password: NDMJOB_PASSWORD },
    nameOf: (folder) => join(work, folder),
    peakMb: () => undefined,
    stop: () => peer.stop(),
  };
}

function peakOfTree(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'latin1');
  const own = Number(/^VmHWM:\s+(\d+)/m.exec(status)?.[1] ?? 0) / 1024;
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim().split(' ');
  return children
    .filter((one) => one !== '')
    .reduce((sum, one) => sum + peakOfTree(Number(one)), own);
}
