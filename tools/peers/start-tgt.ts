// Starts tgt (Debian package tgt) in user space on loopback: a tape library with two drives over iSCSI, for tests against a
// target that is not ours. It holds what is in which element in memory alone. It obeys nobody but root, so that for another
// user it runs in a user namespace of its own.
//
//   node tools/peers/start-tgt.ts DIR [PORT]      runs until SIGTERM or SIGINT

import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { accessSync, constants, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort } from '@tapestry/servers';

const run = promisify(execFile);
// Debian puts them where an unprivileged shell does not look.
const PLACES = ['/usr/sbin', '/sbin', ...(process.env.PATH ?? '').split(delimiter)];
const READY_TIMEOUT_MS = 20_000;
const COMMAND_TIMEOUT_MS = 20_000;

export const TGT_TARGET = 'iqn.2026-01.test.tapestry:library';
export const TGT_LUN = { drives: [1, 2], changer: 3 } as const;
/** Element addresses of what `startTgt` makes. */
export const TGT_ELEMENT = { robot: 1, importExport: 10, drive: 500, slot: 1000 } as const;

export interface TgtOptions {
  /** Work folder: cartridges, control socket, log. Made when missing. */
  dir: string;
  /** 0 or left out: a free one. */
  port?: number;
  /** Put into the first slots, at most ten characters each. */
  barcodes: readonly string[];
  cartridgeMib?: number;
  /** Cartridges that are in the folder already stay as they are: a target that comes back. */
  keepsTapes?: boolean;
  /** Parameters of the target: digests, lengths, InitialR2T. */
  parameters?: Readonly<Record<string, string>>;
  /** Who may log in; everybody when left out. `outgoing` is what the target proves itself with. */
  chap?: {
    user: string;
    secret: string;
    outgoing?: { user: string; secret: string };
  };
}

export interface Tgt {
  readonly port: number;
  /** Makes a cartridge empty that is in no drive. */
  emptyTape(barcode: string): Promise<void>;
  stop(): Promise<void>;
}

/** Why tgt cannot be started here; undefined when it can. Tests skip with this reason. */
export function tgtUnavailable(): string | undefined {
  const missing = ['tgtd', 'tgtadm', 'tgtimg'].filter((name) => findProgram(name) === undefined);
  if (missing.length > 0) return `${missing.join(', ')} (package tgt) not found`;
  if (isRoot()) return undefined;
  const { status } = spawnSync('unshare', ['-r', 'true'], { timeout: COMMAND_TIMEOUT_MS });
  return status === 0 ? undefined : 'tgt obeys root alone, and there are no user namespaces';
}

function isRoot(): boolean {
  return process.getuid?.() === 0;
}

export async function startTgt(options: TgtOptions): Promise<Tgt> {
  const port = options.port || (await freePort());
  const { dir } = options;
  mkdirSync(dir, { recursive: true });
  const env = { ...process.env, TGT_IPC_SOCKET: join(dir, 'control') };
  const words = [program('tgtd'), '-f', '-C', '0', '--iscsi', `portal=127.0.0.1:${port}`];
  const [command = '', ...args] = isRoot() ? words : ['unshare', '-r', ...words];
  const child = spawn(command, args, { env, stdio: 'ignore' });
  const ended = once(child, 'exit');
  // It takes no other signal as long as a target is bound.
  const end = (): void => {
    child.kill('SIGKILL');
  };
  process.once('exit', end);
  const admin = async (...args: string[]): Promise<void> => {
    const all = ['-C', '0', '--lld', 'iscsi', ...args];
    await run(program('tgtadm'), all, { env, timeout: COMMAND_TIMEOUT_MS });
  };
  const stop = async (): Promise<void> => {
    process.off('exit', end);
    if (child.exitCode === null && child.signalCode === null) {
      end();
      await ended;
    }
  };
  try {
    await ready(admin, () => child.exitCode);
    await makeLibrary(options, admin);
    return { port, emptyTape: (barcode) => makeTape(options, barcode), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

type Admin = (...args: string[]) => Promise<void>;

async function ready(admin: Admin, exitCode: () => number | null): Promise<void> {
  const untilMs = Date.now() + READY_TIMEOUT_MS;
  for (;;) {
    const error = await admin('--mode', 'sys', '--op', 'show').then(
      () => undefined,
      (reason: Error) => reason,
    );
    if (error === undefined) return;
    if (exitCode() !== null) throw new Error(`tgtd ended with ${exitCode()}`);
    if (Date.now() > untilMs) throw new Error(`tgtd does not answer: ${error.message}`);
    await pause(50);
  }
}

async function makeLibrary(options: TgtOptions, admin: Admin): Promise<void> {
  const { dir, barcodes, parameters = {} } = options;
  for (const barcode of [...barcodes, 'NOTAPE1', 'NOTAPE2']) {
    const stays = options.keepsTapes === true && existsSync(join(dir, barcode));
    if (!stays) await makeTape(options, barcode);
  }
  writeFileSync(join(dir, 'smc'), Buffer.alloc(1024));
  await admin('--mode', 'target', '--op', 'new', '--tid', '1', '-T', TGT_TARGET);
  for (const lun of TGT_LUN.drives) {
    await unit(admin, lun, 'new', '-b', join(dir, `NOTAPE${lun}`), '--device-type', 'tape');
    const words = `vendor_id=IBM,product_id=ULT3580-TD6,scsi_sn=DRV000000${lun},removable=1,online=0`;
    await unit(admin, lun, 'update', '--params', words);
  }
  const { changer } = TGT_LUN;
  await unit(admin, changer, 'new', '-b', join(dir, 'smc'), '--device-type', 'changer');
  for (const words of libraryWords(dir, barcodes)) {
    await unit(admin, changer, 'update', '--params', words);
  }
  await bind(options, admin);
  for (const [name, value] of Object.entries(parameters)) {
    const change = ['--op', 'update', '--tid', '1', '--name', name, '--value', value];
    await admin('--mode', 'target', ...change);
  }
}

function unit(admin: Admin, lun: number, op: string, ...rest: string[]): Promise<void> {
  return admin('--mode', 'logicalunit', '--op', op, '--tid', '1', '--lun', String(lun), ...rest);
}

function libraryWords(dir: string, barcodes: readonly string[]): string[] {
  const { robot, importExport, drive, slot } = TGT_ELEMENT;
  return [
    `vendor_id=STK,product_id=L700,scsi_sn=LIB0000001,removable=1,media_home=${dir}`,
    `element_type=1,start_address=${robot},quantity=1`,
    `element_type=4,start_address=${drive},quantity=2`,
    `element_type=4,address=${drive},tid=1,lun=${TGT_LUN.drives[0]}`,
    `element_type=4,address=${drive + 1},tid=1,lun=${TGT_LUN.drives[1]}`,
    `element_type=3,start_address=${importExport},quantity=1`,
    `element_type=2,start_address=${slot},quantity=10`,
    ...barcodes.map(
      (barcode, i) => `element_type=2,address=${slot + i},barcode=${barcode},sides=1`,
    ),
  ];
}

async function bind({ chap }: TgtOptions, admin: Admin): Promise<void> {
  await admin('--mode', 'target', '--op', 'bind', '--tid', '1', '-I', 'ALL');
  if (chap === undefined) return;
  const account = async (user: string, secret: string, ...rest: string[]): Promise<void> => {
    await admin('--mode', 'account', '--op', 'new', '--user', user, '--password', secret);
    await admin('--mode', 'account', '--op', 'bind', '--tid', '1', '--user', user, ...rest);
  };
  await account(chap.user, chap.secret);
  if (chap.outgoing) await account(chap.outgoing.user, chap.outgoing.secret, '--outgoing');
}

async function makeTape({ dir, cartridgeMib = 64 }: TgtOptions, barcode: string): Promise<void> {
  const file = join(dir, barcode);
  rmSync(file, { force: true });
  const what = ['--op', 'new', '--device-type', 'tape', '--barcode', barcode, '--type', 'data'];
  const args = [...what, '--size', String(cartridgeMib), '--file', file];
  await run(program('tgtimg'), args, { timeout: COMMAND_TIMEOUT_MS });
}

function findProgram(name: string): string | undefined {
  return PLACES.map((place) => join(place, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function program(name: string): string {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`${name} (package tgt) not found`);
  return path;
}

if (import.meta.main) {
  const [dir, port] = process.argv.slice(2);
  if (dir === undefined) throw new Error('usage: start-tgt.ts DIR [PORT]');
  const barcodes = ['A00001L6', 'A00002L6', 'A00003L6', 'A00004L6', 'A00005L6'];
  const tgt = await startTgt({ dir, port: Number(port ?? 0), barcodes });
  console.log(`127.0.0.1:${tgt.port} ${TGT_TARGET}, drives at LUN 1 and 2, changer at LUN 3`);
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.once(signal, () => void tgt.stop().then(() => process.exit(0)));
  }
}
