// A disk storage unit under a drive process and under the daemon: no ltid, no label, nothing half-written.

import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@tapestry/bus';
import {
  codec,
  type Fragment,
  type GrantRef,
  type Init,
  type OpenStreamRequest,
  type StreamState,
} from '@tapestry/contracts';
import { createFileDisk, openFileDisk } from '@tapestry/storage';
import {
  eventually,
  fakeService,
  startTestBus,
  startTestDaemon,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { bptm } from '../src/daemon.ts';
import type { WriteOrder } from '../src/drive-process/messages.ts';
import { TO_THE_END } from '../src/drive-process/session.ts';
import {
  BLOCK_SIZE_BYTES,
  makePool,
  randomData,
  readOrder,
  receiveAll,
  sendAll,
  watch,
  writeImage,
  writeOrder,
} from './drive-kit.ts';

const pool = makePool();
const capacity = BLOCK_SIZE_BYTES - 80;
let bus: TestBus;
let bpbrm: Client<'bptm'>;
let nbrb: Awaited<ReturnType<typeof fakeService<'nbrb'>>>;
let nbemm: Awaited<ReturnType<typeof fakeService<'nbemm'>>>;
let daemon: Awaited<ReturnType<typeof startTestDaemon>>;
let root: string;
let dir: string;
let job = 100n;

beforeAll(async () => {
  bus = await startTestBus({ hosts: ['media1'] });
  bpbrm = (await bus.as({ service: 'bpbrm', host: 'media1' })).client('bptm', 'media1');
  nbrb = await fakeService(await bus.as({ service: 'nbrb' }), 'nbrb', {
    RenewGrants: async () => ({ invalid: [] }),
  });
  nbemm = await fakeService(await bus.as({ service: 'nbemm' }), 'nbemm', {
    ListStorageUnits: async () => ({
      units: [{ label: 'disk1', type: 'Disk', mediaServer: 'media1', path: dir }],
    }),
    ReportDisks: async () => ({}),
    ListNdmpHosts: async () => ({ hosts: [{ name: 'filer', address: '127.0.0.1' }] }),
  });
});
afterAll(async () => {
  await pool.close();
  await nbrb.stop();
  await nbemm.stop();
  await bus.stop();
});

beforeEach(async () => {
  job += 1n;
  root = mkdtempSync(join(tmpdir(), 'bptm-disk-'));
  dir = join(root, 'unit');
  mkdirSync(join(root, 'state'));
  await createFileDisk(dir);
  nbrb.answer({ RenewGrants: async () => ({ invalid: [] }) });
  daemon = await start();
});
afterEach(async () => {
  await daemon.stop();
  rmSync(root, { recursive: true, force: true });
});

const start = () =>
  startTestDaemon(bptm, bus, {
    stateDir: join(root, 'state'),
    env: { BPTM_POOL_SIZE: '1', BPTM_RENEW_EVERY_MS: '200' },
  });

const library = { dir: '', drivePath: '', remove: () => undefined };
const volume = codec('VolumeSpec').decode(codec('VolumeSpec').encode({ mediaId: 'disk1' }));

function onDisk(more: Partial<WriteOrder> = {}): WriteOrder {
  const disk = { dir, highWaterPercent: 100, lowWaterPercent: 0 };
  return writeOrder(library, { disk, volume, ...more });
}

function files(): string[] {
  return readdirSync(dir).filter((file) => !file.startsWith('disk.sqlite'));
}

async function fragmentsOnDisk(): Promise<number> {
  const disk = await openFileDisk({ dir });
  const found = await disk.list();
  await disk.close();
  return found.length;
}

const grantRef = (): Init<GrantRef> => ({
  ...{ attempt: { jobId: job, try: 1, step: 0 }, grantId: `g${job}`, epoch: job },
});

function request(more: Partial<Init<OpenStreamRequest>> = {}): Init<OpenStreamRequest> {
  return {
    grant: {
      ...grantRef(),
      ...{ mediaServer: 'media1', mode: 'DRIVE_MODE_WRITE', blockSizeBytes: BLOCK_SIZE_BYTES },
      ...{ storageUnit: 'disk1', diskPath: dir, maxFragmentBytes: BigInt(4 * capacity) },
      ...{ diskHighWaterPercent: 100, diskLowWaterPercent: 0 },
    },
    image: { backupId: 'filer_1', backupTimeS: 1n, butype: 'tar' },
    job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/export' } },
    ...more,
  };
}

async function until(phase: StreamState['phase'], ref = grantRef()): Promise<StreamState> {
  return eventually(phase, async () => {
    const state = await bpbrm.WatchStream({ grant: ref, afterVersion: 0n, waitMs: 0 });
    if (state.phase === phase) return state;
    if (state.phase === 'STREAM_PHASE_FAILED') throw new Error(state.status?.detail);
    return undefined;
  });
}

test('an image in fragments of a file each comes back by ranges in any order', async () => {
  const data = randomData(1_000_000);
  const closed = await writeImage(pool, onDisk({ maxFragmentBytes: BigInt(4 * capacity) }), data);
  const fragments: Fragment[] = closed.map(({ fragment }) => fragment);
  expect(fragments.map(({ number, fileNumber }) => [number, fileNumber])).toEqual([
    ...[1, 2, 3, 4].map((number) => [number, number]),
  ]);
  expect(fragments[0]).toMatchObject({ mediaId: 'disk1', layout: 'FRAGMENT_LAYOUT_DISK' });
  expect(files()).toHaveLength(4);

  const reader = watch(await pool.take());
  const { disk } = onDisk();
  const order = readOrder(library, fragments, { disk, volume });
  reader.process.send({ type: 'start', order });
  const { port } = await reader.report('listening');
  const received = receiveAll(port);
  const ranges = [
    [700_000, 10],
    [capacity * 4 - 1, 2],
    [5, 600_000],
  ] as const;
  for (const [index, [offset, length]] of ranges.entries()) {
    const range = { offset: BigInt(offset), length: BigInt(length) };
    reader.process.send({ type: 'range', sequence: index + 1, ...range });
  }
  reader.process.send({ type: 'range', sequence: 9, offset: 0n, length: TO_THE_END });
  const parts = ranges.map(([offset, length]) => data.subarray(offset, offset + length));
  expect((await received).equals(Buffer.concat([...parts, data]))).toBe(true);
  reader.process.send({ type: 'finish', expectedBytes: 0n, env: [] });
  await reader.report('finished');
});

test('a full disk is 129, before a byte and in the middle', async () => {
  const disk = { dir, highWaterPercent: 0, lowWaterPercent: 0 };
  const full = watch(await pool.take());
  full.process.send({ type: 'start', order: onDisk({ disk }) });
  expect((await full.report('failed')).failure.status).toBe('diskFull');

  const limited = { dir, highWaterPercent: 100, lowWaterPercent: 0, limitBytes: 500_000 };
  const filled = watch(await pool.take());
  filled.process.send({ type: 'start', order: onDisk({ disk: limited }) });
  const { port } = await filled.report('listening');
  void sendAll(port, randomData(4_000_000)).catch(() => undefined);
  expect((await filled.report('failed')).failure.status).toBe('diskFull');
  expect(filled.reports.some(({ type }) => type === 'mediaEvent')).toBe(false);
  await filled.exited;
  expect(files()).toEqual([]);
});

test('a later owner writes the image anew, an earlier one is refused', async () => {
  await writeImage(pool, onDisk({ maxFragmentBytes: BigInt(capacity) }), randomData(300_000));
  const owner = { grantId: 'g9', epoch: 9n };
  const [closed] = await writeImage(pool, onDisk({ owner }), randomData(1_000));
  expect(closed?.fragment.number).toBe(1);
  expect(await fragmentsOnDisk()).toBe(1);
  const late = watch(await pool.take());
  late.process.send({ type: 'start', order: onDisk() });
  expect((await late.report('failed')).failure.status).toBe('staleGrant');
  expect(await fragmentsOnDisk()).toBe(1);
});

test('how full the unit is is told at the start', async () => {
  const { disks } = await nbemm.waitFor('ReportDisks');
  expect(disks.map(({ storageUnit }) => storageUnit)).toEqual(['disk1']);
  expect(disks[0]!.capacityBytes).toBeGreaterThanOrEqual(disks[0]!.freeBytes);
  expect(disks[0]!.freeBytes).toBeGreaterThan(0n);
});

test('the daemon: no mount, nothing told to nbemm, and read again', async () => {
  const data = randomData(700_000);
  await bpbrm.OpenStream(request());
  const { addresses } = await until('STREAM_PHASE_READY');
  await nbrb.waitFor('RenewGrants');
  await sendAll(addresses[0]!.port, data);
  await bpbrm.FinishStream({ grant: grantRef(), expectedBytes: 700_000n });
  const done = await until('STREAM_PHASE_DONE');
  expect(done.fragments.map(({ layout }) => layout)).toEqual([
    ...['FRAGMENT_LAYOUT_DISK', 'FRAGMENT_LAYOUT_DISK', 'FRAGMENT_LAYOUT_DISK'],
  ]);

  const ref = { ...grantRef(), attempt: { jobId: job, try: 1, step: 1 }, epoch: job + 1_000n };
  const read = request({
    ...{ image: null, backupId: 'filer_1', fragments: done.fragments },
    grant: { ...request().grant, ...ref, mode: 'DRIVE_MODE_READ' },
    job: { type: 'JOB_TYPE_RESTORE', client: 'filer', restore: { destClient: 'filer' } },
  });
  await bpbrm.OpenStream(read);
  const ready = await until('STREAM_PHASE_READY', ref);
  const received = receiveAll(ready.addresses[0]!.port);
  const agent = (await bus.as({ service: 'ndmpagent', host: 'media1' })).client('bptm', 'media1');
  await agent.SendRange({ grant: ref, sequence: 1, offset: 0n, length: TO_THE_END });
  expect((await received).equals(data)).toBe(true);
  await bpbrm.FinishStream({ grant: ref });
  await until('STREAM_PHASE_DONE', ref);
  const onTape = {
    ...read.grant,
    ...{ diskPath: '', drive: { name: 'd0' }, volume: { mediaId: 'A1' } },
  };
  await expect(bpbrm.OpenStream({ ...read, grant: onTape })).rejects.toMatchObject({
    status: 'storageUnitIncompatible',
  });
});

/** A stream of which two fragments are committed and a third is begun; its connection stays open. */
async function inTheMiddle(): Promise<net.Socket> {
  await bpbrm.OpenStream(request());
  const { addresses } = await until('STREAM_PHASE_READY');
  const socket = net.connect(addresses[0]!.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(randomData(12 * capacity));
  await eventually('two fragments', async () => (await fragmentsOnDisk()) >= 2 || undefined);
  return socket;
}

const empty = () => eventually('an empty disk', async () => files().length === 0 || undefined);

test('a lost lease stops the writer, and what it wrote is gone', async () => {
  const socket = await inTheMiddle();
  nbrb.answer({ RenewGrants: async ({ grants }) => ({ invalid: grants }) });
  await empty();
  const state = await bpbrm.WatchStream({ grant: grantRef(), afterVersion: 0n, waitMs: 0 });
  expect(state.status?.code).toBe(902);
  socket.destroy();
});

test('bptm stopped in the middle: at its next start no fragment is left', async () => {
  const socket = await inTheMiddle();
  await daemon.stop();
  socket.destroy();
  expect(await fragmentsOnDisk()).toBeGreaterThanOrEqual(2);
  daemon = await start();
  await empty();
  const state = await bpbrm.WatchStream({ grant: grantRef(), afterVersion: 0n, waitMs: 0 });
  expect(state).toMatchObject({ phase: 'STREAM_PHASE_FAILED', status: { code: 82 } });
});

test('the catalog lists what is on the disk and deletes what it names, but not under a writer', async () => {
  const socket = await inTheMiddle();
  const owner = { grantId: 'g1', epoch: 1n };
  const image = (backupId: string) => ({ ...onDisk().image, backupId });
  await writeImage(pool, onDisk({ owner, image: image('old_1') }), randomData(300_000));
  await writeImage(pool, onDisk({ owner, image: image('old_2') }), randomData(1_000));
  const catalog = (await bus.as({ service: 'bpdbm' })).client('bptm', 'media1');
  const listed = async () => {
    const { images } = await catalog.ListDiskImages({ storageUnit: 'disk1' });
    return images.map(({ backupId }) => backupId);
  };
  expect(await listed()).toEqual(['filer_1', 'old_1', 'old_2']);
  const remove = (backupId: string) =>
    catalog.DeleteDiskImages({ storageUnit: 'disk1', images: [{ backupId, copy: 1 }] });
  expect((await remove('old_1')).fragments).toBe(1);
  expect((await remove('old_1')).fragments).toBe(0);
  await expect(remove('filer_1')).rejects.toMatchObject({ status: 'mediaInUse' });
  expect(await listed()).toEqual(['filer_1', 'old_2']);
  await expect(catalog.ListDiskImages({ storageUnit: 'other' })).rejects.toThrow(/2104/);
  socket.destroy();
});
