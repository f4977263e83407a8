// Starts istgt (Debian package istgt) on loopback: one tape drive over iSCSI, for tests against a target that is not ours.
// Its blocks are of multiples of eight bytes, and what it unloads it does not load again.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, mkdirSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '@tapestry/servers';

const PLACES = ['/usr/sbin', '/sbin', ...(process.env.PATH ?? '').split(delimiter)];
const READY_TIMEOUT_MS = 20_000;

export const ISTGT_TARGET = 'iqn.2026-01.test.tapestry:tape0';

export interface IstgtOptions {
  /** Work folder: the tape, configuration. Made when missing. */
  dir: string;
  cartridgeMib: number;
  /** Who must log in how; everybody when left out. Both sides prove themselves. */
  chap?: { user: string; secret: string; mutualUser: string; mutualSecret: string };
}

export interface Istgt {
  readonly port: number;
  stop(): Promise<void>;
}

/** Why istgt cannot be started here; undefined when it can. Tests skip with this reason. */
export function istgtUnavailable(): string | undefined {
  return findProgram() === undefined ? 'istgt (package istgt) not found' : undefined;
}

export async function startIstgt(options: IstgtOptions): Promise<Istgt> {
  const program = findProgram();
  if (program === undefined) throw new Error('istgt (package istgt) not found');
  const { dir } = options;
  mkdirSync(dir, { recursive: true });
  const port = await freePort();
  const config = join(dir, 'istgt.conf');
  writeFileSync(config, configuration(options, port, await freePort()));
  writeFileSync(join(dir, 'auth.conf'), accounts(options), { mode: 0o600 });
  const child = spawn(program, ['-D', '-c', config], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  const end = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', end);
  const stop = async (): Promise<void> => {
    process.off('exit', end);
    if (child.exitCode === null && child.signalCode === null) {
      end();
      await ended;
    }
  };
  try {
    await ready(port, () => child.exitCode);
    return { port, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

function configuration(
  { dir, cartridgeMib, chap }: IstgtOptions,
  port: number,
  controlPort: number,
): string {
  return `
[Global]
  NodeBase "iqn.2026-01.test.tapestry"
  PidFile ${join(dir, 'istgt.pid')}
  AuthFile ${join(dir, 'auth.conf')}
  MediaDirectory ${dir}
  Timeout 30
  NopInInterval 20
  DiscoveryAuthMethod None
  MaxSessions 16
  MaxConnections 4
  MaxR2T 32
  FirstBurstLength 262144
  MaxBurstLength 1048576
  MaxRecvDataSegmentLength 262144
  InitialR2T Yes
  ImmediateData Yes
[UnitControl]
  AuthMethod None
  Portal UC1 127.0.0.1:${controlPort}
  Netmask 127.0.0.1
[PortalGroup1]
  Portal DA1 127.0.0.1:${port}
[InitiatorGroup1]
  InitiatorName "ALL"
  Netmask 127.0.0.1/8
[LogicalUnit1]
  TargetName tape0
  Mapping PortalGroup1 InitiatorGroup1
  AuthMethod ${chap ? 'CHAP Mutual' : 'None'}
  ${chap ? 'AuthGroup AuthGroup1' : ''}
  UseDigest Auto
  UnitType Tape
  LUN0 Removable "rw" ${join(dir, 'tape0.img')} ${cartridgeMib}MB
`;
}

function accounts({ chap }: IstgtOptions): string {
  if (chap === undefined) return '';
  const { user, secret, mutualUser, mutualSecret } = chap;
  return `[AuthGroup1]\n  Auth "${user}" "${secret}" "${mutualUser}" "${mutualSecret}"\n`;
}

async function ready(port: number, exitCode: () => number | null): Promise<void> {
  const untilMs = Date.now() + READY_TIMEOUT_MS;
  while (!(await isListening(port))) {
    if (exitCode() !== null) throw new Error(`istgt ended with ${exitCode()}`);
    if (Date.now() > untilMs) throw new Error('istgt does not listen');
    await pause(50);
  }
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      resolve(true);
    });
    socket.once('error', () => resolve(false));
  });
}

function findProgram(): string | undefined {
  return PLACES.map((place) => join(place, 'istgt')).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
