import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { Bus, Client } from '@tapestry/bus';
import type { GrantRef, Init, OpenStreamRequest, StreamState } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { openVirtualDrive, openVirtualLibrary } from '@tapestry/storage';
import {
  eventually,
  fakeService,
  startTestBus,
  startTestDaemon,
  type TestBus,
} from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import { bptm } from '../src/daemon.ts';
import { TO_THE_END } from '../src/drive-process/session.ts';
import { type Library, makeLibrary, randomData, receiveAll, sendAll, volume } from './drive-kit.ts';

let bus: TestBus;
let bpbrm: Client<'bptm'>;
let agent: Client<'bptm'>;
let ltidBus: Bus;
let nbemmBus: Bus;
let ltid: Awaited<ReturnType<typeof fakeService<'ltid'>>>;
let nbemm: Awaited<ReturnType<typeof fakeService<'nbemm'>>>;
let library: Library;
let stateDir: string;
let daemon: Awaited<ReturnType<typeof startTestDaemon>>;
let job = 100n;

beforeAll(async () => {
  bus = await startTestBus({ hosts: ['media1'] });
  bpbrm = (await bus.as({ service: 'bpbrm', host: 'media1' })).client('bptm', 'media1');
  agent = (await bus.as({ service: 'ndmpagent', host: 'media1' })).client('bptm', 'media1');
  ltidBus = await bus.as({ service: 'ltid', host: 'media1' });
  nbemmBus = await bus.as({ service: 'nbemm' });
});
afterAll(() => bus.stop());

beforeEach(async () => {
  library = await makeLibrary();
  stateDir = mkdtempSync(join(tmpdir(), 'bptm-state-'));
  job += 1n;
  ltid = await fakeService(ltidBus, 'ltid', {
    Mount: async () => ({ drivePath: library.drivePath, mountMs: 5n }),
    Unmount: async () => ({}),
    RenewMount: async () => ({ valid: true, validForMs: 60_000n }),
  });
  nbemm = await fakeService(nbemmBus, 'nbemm', {
    ListNdmpHosts: async () => ({ hosts: [{ name: 'filer', address: '127.0.0.1' }] }),
    RecordFragment: async () => ({}),
    RecordMediaEvent: async () => ({}),
  });
  daemon = await start();
});
afterEach(async () => {
  await daemon.stop();
  await ltid.stop();
  await nbemm.stop();
  library.remove();
  rmSync(stateDir, { recursive: true, force: true });
});

const start = () =>
  startTestDaemon(bptm, bus, {
    stateDir,
    env: { BPTM_POOL_SIZE: '1', BPTM_RENEW_EVERY_MS: '200' },
  });

const grantRef = (tryNumber = 1): Init<GrantRef> => ({
  attempt: { jobId: job, try: tryNumber, step: 0 },
  grantId: `g${job}-${tryNumber}`,
  epoch: job * 10n + BigInt(tryNumber),
});

function request(tryNumber = 1): Init<OpenStreamRequest> {
  return {
    grant: {
      ...grantRef(tryNumber),
      ...{ mediaServer: 'media1', mode: 'DRIVE_MODE_WRITE', blockSizeBytes: 65_536 },
      ...{ volume: volume(), drive: { name: 'drive0', path: library.drivePath } },
    },
    image: { backupId: 'filer_1', backupTimeS: 1n, butype: 'tar' },
    job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/export' } },
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

async function backUp(data: Buffer): Promise<StreamState> {
  await bpbrm.OpenStream(request());
  const { addresses } = await until('STREAM_PHASE_READY');
  await sendAll(addresses[0]!.port, data);
  await bpbrm.FinishStream({ grant: grantRef(), expectedBytes: BigInt(data.length) });
  return until('STREAM_PHASE_DONE');
}

test('a backup: mounted, received, closed, recorded, given back; then read again', async () => {
  const data = randomData(3_000_000);
  const done = await backUp(data);
  expect(done.bytes).toBe(3_000_000n);
  expect(done.fragments).toHaveLength(1);
  const [recorded] = nbemm.requests('RecordFragment');
  expect(recorded).toMatchObject({
    mediaId: 'A00001',
    backupId: 'filer_1',
    writtenBytes: 3_000_000n,
  });
  expect(recorded?.append?.fileNumber).toBe(2);
  await ltid.waitFor('Unmount');
  const events = nbemm.requests('RecordMediaEvent').map(({ event }) => event);
  expect(events).toEqual(['MEDIA_EVENT_LABELLED']);

  const ref = { ...grantRef(), attempt: { jobId: job, try: 1, step: 1 }, epoch: job * 10n + 5n };
  await bpbrm.OpenStream({
    ...request(),
    grant: { ...request().grant, ...ref, mode: 'DRIVE_MODE_READ' },
    job: { type: 'JOB_TYPE_RESTORE', client: 'filer', restore: { destClient: 'filer' } },
    image: null,
    backupId: 'filer_1',
    fragments: done.fragments,
  });
  const { addresses } = await until('STREAM_PHASE_READY', ref);
  const received = receiveAll(addresses[0]!.port);
  await agent.SendRange({ grant: ref, sequence: 1, offset: 10n, length: 5n });
  await agent.SendRange({ grant: ref, sequence: 1, offset: 10n, length: 5n });
  await agent.SendRange({ grant: ref, sequence: 2, offset: 0n, length: TO_THE_END });
  expect((await received).equals(Buffer.concat([data.subarray(10, 15), data]))).toBe(true);
  await bpbrm.FinishStream({ grant: ref });
  expect((await until('STREAM_PHASE_DONE', ref)).endOfStream).toBe(true);
});

test('a second opening of the same attempt is the running stream, another lease is refused', async () => {
  await bpbrm.OpenStream(request(2));
  await bpbrm.OpenStream(request(2));
  await until('STREAM_PHASE_READY', grantRef(2));
  expect(ltid.requests('Mount')).toHaveLength(1);
  await expect(bpbrm.OpenStream(request(1))).rejects.toMatchObject({ status: 'staleGrant' });
  const other = { ...grantRef(2), epoch: 1n };
  await expect(bpbrm.FinishStream({ grant: other })).rejects.toMatchObject({
    status: 'staleGrant',
  });
  await bpbrm.OpenStream(request(3));
  const old = await bpbrm.WatchStream({ grant: grantRef(2), afterVersion: 0n, waitMs: 0 });
  expect(old.phase).toBe('STREAM_PHASE_FAILED');
  await until('STREAM_PHASE_READY', grantRef(3));
});

test('a killed drive process ends its stream with 82 and gives the drive back', async () => {
  await bpbrm.OpenStream(request());
  const { addresses } = await until('STREAM_PHASE_READY');
  const socket = net.connect(addresses[0]!.port, '127.0.0.1');
  socket.on('error', () => undefined);
  socket.write(randomData(100_000));
  await until('STREAM_PHASE_MOVING');
  const { writerPid } = await ltid.waitFor('RenewMount');
  process.kill(writerPid, 'SIGKILL');
  const ref = grantRef();
  const state = await eventually('the end', async () => {
    const now = await bpbrm.WatchStream({ grant: ref, afterVersion: 0n, waitMs: 0 });
    return now.phase === 'STREAM_PHASE_FAILED' ? now : undefined;
  });
  expect(state.status?.code).toBe(82);
  await ltid.waitFor('Unmount');
  expect(nbemm.requests('RecordFragment')).toHaveLength(0);
});

test('a grant that nbrb has forgotten stops the writer', async () => {
  await bpbrm.OpenStream(request());
  await until('STREAM_PHASE_READY');
  ltid.answer({ RenewMount: async () => ({ valid: false, validForMs: 0n }) });
  await ltid.waitFor('Unmount');
  const state = await bpbrm.WatchStream({ grant: grantRef(), afterVersion: 0n, waitMs: 0 });
  expect(state.status?.code).toBe(902);
});

test('a closed fragment is told to nbemm until it answers, over a restart of bptm', async () => {
  nbemm.answer({
    RecordFragment: async () => {
      throw new StatusError('databaseError', 'not ready');
    },
  });
  const data = randomData(100_000);
  await bpbrm.OpenStream(request());
  const { addresses } = await until('STREAM_PHASE_READY');
  await sendAll(addresses[0]!.port, data);
  await bpbrm.FinishStream({ grant: grantRef(), expectedBytes: 100_000n });
  await nbemm.waitFor('RecordFragment');
  await ltid.waitFor('Unmount');
  await daemon.stop();
  const db = new DatabaseSync(join(stateDir, 'bptm/bptm.sqlite'));
  expect(db.prepare('SELECT count(*) AS n FROM outbox').get()).toMatchObject({ n: 1 });
  db.close();
  nbemm.answer({ RecordFragment: async () => ({}) });
  daemon = await start();
  expect((await until('STREAM_PHASE_DONE')).fragments).toHaveLength(1);
});

test('a stream that runs when bptm dies is failed at the next start, its process ended', async () => {
  await bpbrm.OpenStream(request());
  await until('STREAM_PHASE_READY');
  const { writerPid } = await ltid.waitFor('RenewMount');
  await daemon.stop();
  expect(() => readFileSync(`/proc/${writerPid}/stat`)).toThrow();
  daemon = await start();
  const state = await bpbrm.WatchStream({ grant: grantRef(), afterVersion: 0n, waitMs: 0 });
  expect(state).toMatchObject({ phase: 'STREAM_PHASE_FAILED', status: { code: 82 } });
  await ltid.waitFor('Unmount');
});

test('an aborted stream leaves no fragment and no drive behind; unknown ones are aborted already', async () => {
  await bpbrm.OpenStream(request());
  await until('STREAM_PHASE_READY');
  await bpbrm.AbortStream({
    grant: grantRef(),
    reason: { code: 150, name: 'cancelled', detail: 'no' },
  });
  await ltid.waitFor('Unmount');
  const state = await bpbrm.WatchStream({ grant: grantRef(), afterVersion: 0n, waitMs: 0 });
  expect(state.status?.code).toBe(150);
  await bpbrm.AbortStream({ grant: { ...grantRef(), attempt: { jobId: 1n, try: 1, step: 0 } } });
});

test('a filer that listens is dialled on the word of ndmpagent: once, and only on its own host', async () => {
  const filer = net.createServer((socket) => socket.end(randomData(70_000)));
  await new Promise<void>((resolve) => filer.listen(0, '127.0.0.1', resolve));
  const { port } = filer.address() as net.AddressInfo;
  await bpbrm.OpenStream(request());
  await until('STREAM_PHASE_READY');
  const connect = (sequence: number, host: string) =>
    agent.ConnectStream({ grant: grantRef(), sequence, addresses: [{ host, port }] });
  await expect(connect(1, '192.0.2.1')).rejects.toMatchObject({ status: 'accessNotAllowed' });
  await expect(connect(1, '127.0.0.1')).rejects.toMatchObject({ status: 'accessNotAllowed' });
  await connect(2, '127.0.0.1');
  await connect(2, '127.0.0.1');
  await expect(connect(3, '127.0.0.1')).rejects.toMatchObject({ status: 'invalidRequest' });
  await bpbrm.FinishStream({ grant: grantRef(), expectedBytes: 70_000n });
  expect((await until('STREAM_PHASE_DONE')).bytes).toBe(70_000n);
  await ltid.waitFor('Unmount');
  filer.close();
});

test('a mount that ltid refuses is the end of the stream', async () => {
  ltid.answer({
    Mount: async () => {
      throw new StatusError('mediaMisplaced', 'A00001 is in no element');
    },
  });
  await bpbrm.OpenStream(request());
  await ltid.waitFor('Unmount');
  const state = await bpbrm.WatchStream({ grant: grantRef(), afterVersion: 0n, waitMs: 0 });
  expect(state.status?.code).toBe(2033);
});

test('TapeAlert flags of the drive go to ltid with the unmount, and into the job', async () => {
  const virtual = await openVirtualLibrary(library.dir);
  await virtual.raiseTapeAlert(0, 20);
  await virtual.addFault({ place: 'drive 0', kind: 'writeFails', after: 3, times: 1 });
  await virtual.close();
  await bpbrm.OpenStream(request());
  const { addresses } = await until('STREAM_PHASE_READY');
  await sendAll(addresses[0]!.port, randomData(2_000_000)).catch(() => undefined);
  const { tapeAlerts } = await ltid.waitFor('Unmount');
  expect(tapeAlerts).toEqual([6, 20]);
  const state = await bpbrm.WatchStream({ grant: grantRef(), afterVersion: 0n, waitMs: 0 });
  expect(state).toMatchObject({ status: { code: 84 }, tapeAlerts: [6, 20] });
  const events = nbemm.requests('RecordMediaEvent').map(({ event }) => event);
  expect(events).toContain('MEDIA_EVENT_WRITE_ERROR');
});

test('a drive that somebody else has open is given back with the doubt', async () => {
  const { epoch } = grantRef();
  const owner = { grantId: 'stranger', epoch: BigInt(epoch ?? 0n) };
  const held = await openVirtualDrive({ libraryDir: library.dir, driveIndex: 0, owner });
  await bpbrm.OpenStream(request());
  const { doubt } = await ltid.waitFor('Unmount');
  expect(doubt).toContain('is held by grant stranger');
  await held.close();
  const state = await bpbrm.WatchStream({ grant: grantRef(), afterVersion: 0n, waitMs: 0 });
  expect(state.status?.code).toBe(97);
});
