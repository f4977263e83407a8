// A virtual library, a drive process and a filer's data connection, for tests that need no bus.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { codec, type Fragment, type VolumeSpec } from '@tapestry/contracts';
import { createVirtualLibrary, openVirtualLibrary, virtualDrivePath } from '@tapestry/storage';
import { DrivePool, type DriveProcess, type SharedProcess } from '../src/adapters/drive-pool.ts';
import type {
  FromDrive,
  LabelOrder,
  ReadOrder,
  WriteOrder,
} from '../src/drive-process/messages.ts';

export const BLOCK_SIZE_BYTES = 65_536;

export interface Library {
  readonly dir: string;
  readonly drivePath: string;
  /** As ltid does it: what is in the drive goes home, and this cartridge comes. */
  exchange(barcode: string): Promise<void>;
  remove(): void;
}

/** A library whose first cartridge is in its first drive. */
export async function makeLibrary(capacityBytes = 1_073_741_824, count = 1): Promise<Library> {
  const root = mkdtempSync(join(tmpdir(), 'bptm-'));
  const dir = join(root, 'library');
  const cartridges = Array.from({ length: count }, (_, at) => ({
    ...{ barcode: `${mediaIdOf(at)}L8`, capacityBytes },
  }));
  await createVirtualLibrary({ dir, drives: 1, slots: count + 3, cartridges });
  const exchange = async (wanted: string): Promise<void> => {
    const library = await openVirtualLibrary(dir);
    const elements = await library.inventory();
    const drive = elements.find(({ type }) => type === 'drive')!;
    const source = elements.find(({ barcode }) => barcode === wanted)!;
    if (source !== drive) {
      const free = elements.find(({ type, full }) => type === 'slot' && !full)!;
      if (drive.full) await library.move(drive.address, free.address);
      await library.move(source.address, drive.address);
    }
    await library.close();
  };
  await exchange('A00001L8');
  return {
    ...{ dir, exchange, drivePath: virtualDrivePath(dir, 0) },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** The n-th cartridge, from 0. */
export const mediaIdOf = (at: number): string => `A0000${at + 1}`;

export function volume(
  append?: Parameters<ReturnType<typeof codec<'AppendPoint'>>['encode']>[0],
  mediaId = 'A00001',
) {
  return decode('VolumeSpec', {
    mediaId,
    barcode: `${mediaId}L8`,
    pool: 'NetBackup',
    density: 'hcart',
    assignedMs: 1_700_000_000_000n,
    append: append ?? null,
  }) as VolumeSpec;
}

function decode<N extends 'VolumeSpec'>(
  name: N,
  init: Parameters<ReturnType<typeof codec<N>>['encode']>[0],
) {
  return codec(name).decode(codec(name).encode(init));
}

const connection = {
  bindHost: '127.0.0.1',
  firstPort: 0,
  lastPort: 0,
  peers: ['127.0.0.1'],
  acceptTimeoutMs: 20_000,
  dialTimeoutMs: 5_000,
};

export function writeOrder(
  library: Pick<Library, 'drivePath'>,
  more: Partial<WriteOrder> = {},
): WriteOrder {
  return {
    mode: 'write',
    ...{ drivePath: library.drivePath, disk: null },
    owner: { grantId: 'g1', epoch: 1n },
    volume: volume(),
    ...{ mediaServer: 'media1', driveIndex: 0, connection, ringBytes: 4_194_304 },
    ...{
      driveModules: {},
      iscsi: { host: 'media1', file: '/no/iscsi.json', required: false },
      leaseMs: 60_000,
      blockSizeBytes: BLOCK_SIZE_BYTES,
      maxFragmentBytes: 0n,
      copy: 1,
    },
    software: 'test',
    image: {
      ...{ backupId: 'filer_1', client: 'filer', policy: 'p', policyType: 'NDMP', schedule: 's' },
      ...{ scheduleType: 0, jobId: 1n, backupTimeMs: 1n, expiresMs: 2n, retentionLevel: 1 },
      ...{ level: 0, streamNumber: 1, backupPath: '/export', backupType: 'tar' },
      ...{ ndmpHost: 'filer', env: [], baseBackupId: '', keywords: [] },
    },
    ...more,
  };
}

export function readOrder(
  library: Pick<Library, 'drivePath'>,
  fragments: readonly Fragment[],
  more: Partial<ReadOrder> = {},
): ReadOrder {
  return {
    mode: 'read',
    ...{ drivePath: library.drivePath, disk: null },
    owner: { grantId: 'g2', epoch: 2n },
    volume: volume(),
    ...{ mediaServer: 'media1', driveIndex: 0, connection, ringBytes: 4_194_304 },
    ...{ iscsi: { host: 'media1', file: '/no/iscsi.json', required: false } },
    ...{ driveModules: {}, leaseMs: 60_000, backupId: 'filer_1', fragments },
    ...more,
  };
}

/** Answers what the drive process asks for, as bptm does: with the next cartridge, or the one it names. */
export function giveVolumes(
  { process }: Watched,
  library: Library,
  appendOf: (mediaId: string) => Parameters<typeof volume>[0] = () => undefined,
): string[] {
  const given: string[] = [];
  process.attach({
    onReport: (report) => {
      if (report.type !== 'volumeNeeded') return;
      const mediaId = report.mediaId || mediaIdOf(given.length + 1);
      given.push(mediaId);
      void library.exchange(`${mediaId}L8`).then(() => {
        const next = volume(appendOf(mediaId), mediaId);
        process.send({ type: 'volume', drivePath: library.drivePath, volume: next });
      });
    },
    onExit: () => undefined,
  });
  return given;
}

export function labelOrder(library: Library, more: Partial<LabelOrder> = {}): LabelOrder {
  return {
    mode: 'label',
    ...{ drivePath: library.drivePath, disk: null },
    owner: { grantId: 'g3', epoch: 3n },
    volume: { ...volume(), assignedMs: 0n },
    ...{ mediaServer: 'media1', driveIndex: 0, connection, ringBytes: 4_194_304 },
    ...{ iscsi: { host: 'media1', file: '/no/iscsi.json', required: false } },
    ...{ driveModules: {}, leaseMs: 60_000, overwrite: false, erase: 'no', kept: [] },
    ...more,
  };
}

export interface Watched {
  readonly process: DriveProcess;
  readonly reports: readonly FromDrive[];
  readonly exited: Promise<string>;
  /** The first report of this type, now or later. */
  report<T extends FromDrive['type']>(type: T): Promise<FromDrive & { type: T }>;
}

/** The streams of a process whose drive they share, each watched as if it were alone. */
export function watchShared(process: SharedProcess): {
  member(member: number): Watched;
  leave(): Promise<string>;
} {
  const hooks = new Map<number, Parameters<DriveProcess['attach']>[0]>();
  const exit = Promise.withResolvers<string>();
  process.attach({
    onReport: (report) => {
      if (report.type === 'member') hooks.get(report.member)?.onReport(report.report);
      if (report.type === 'memberEnded') hooks.get(report.member)?.onExit('it has left');
    },
    onExit: (how) => {
      for (const each of hooks.values()) each.onExit(how);
      exit.resolve(how);
    },
  });
  return {
    member: (member) =>
      watch({
        pid: process.pid,
        attach: (each) => hooks.set(member, each),
        send: (message) => process.send({ type: 'member', member, message }),
        end: (reason) => process.end(reason),
      }),
    leave: () => {
      process.send({ type: 'leave' });
      return exit.promise;
    },
  };
}

export function watch(process: DriveProcess): Watched {
  const reports: FromDrive[] = [];
  const wakes = new Set<() => void>();
  let onExit: (how: string) => void;
  const exited = new Promise<string>((resolve) => {
    onExit = resolve;
  });
  process.attach({
    onReport: (report) => {
      reports.push(report);
      for (const wake of wakes) wake();
    },
    onExit: (how) => onExit(how),
  });
  return {
    process,
    reports,
    exited,
    report: (type) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = reports.find((each) => each.type === type);
          if (found === undefined) return;
          wakes.delete(look);
          resolve(found as never);
        };
        wakes.add(look);
        void exited.then((how) => {
          look();
          const seen = JSON.stringify(reports, (_key, value) =>
            typeof value === 'bigint' ? String(value) : value,
          );
          reject(new Error(`ended (${how}) without ${type}: ${seen}`));
        });
        look();
      }),
  };
}

export function makePool(size = 0): DrivePool {
  const cacheDir = join(tmpdir(), 'bptm-test-compile-cache');
  return new DrivePool({ size, cacheDir, onStarted: () => undefined, onEnded: () => undefined });
}

/** Connects as a filer does and sends all of it, ending in order. */
export function sendAll(port: number, data: Buffer): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.end(data));
    socket.on('error', reject);
    socket.on('close', () => resolve());
  });
}

/** Connects as a restoring filer does; resolves with everything up to the end of the stream. */
export function receiveAll(port: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = net.connect(port, '127.0.0.1');
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('error', reject);
    socket.on('end', () => resolve(Buffer.concat(chunks)));
  });
}

export const randomData = (sizeBytes: number): Buffer => randomBytes(sizeBytes);

/** Writes `data` as one stream and returns what was closed. */
export async function writeImage(
  pool: DrivePool,
  order: WriteOrder,
  data: Buffer,
): Promise<(FromDrive & { type: 'fragmentClosed' })[]> {
  const drive = watch(await pool.take());
  drive.process.send({ type: 'start', order });
  const { port } = await drive.report('listening');
  await sendAll(port, data);
  drive.process.send({ type: 'finish', expectedBytes: BigInt(data.length), env: [] });
  await drive.report('finished');
  await drive.exited;
  return drive.reports.filter((report) => report.type === 'fragmentClosed');
}
