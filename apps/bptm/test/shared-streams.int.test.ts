// bptm with streams that share a drive, and fake neighbours: one mount for all, each with its own grant and end.

import { mkdtempSync, rmSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus, Client } from '@tapestry/bus';
import type { GrantRef, Init, OpenStreamRequest, StreamState } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
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
import {
  type Library,
  makeLibrary,
  mediaIdOf,
  randomData,
  receiveAll,
  sendAll,
  volume,
} from './drive-kit.ts';

let bus: TestBus;
let bpbrm: Client<'bptm'>;
let agent: Client<'bptm'>;
let buses: Record<'ltid' | 'nbemm' | 'nbrb', Bus>;
let ltid: Awaited<ReturnType<typeof fakeService<'ltid'>>>;
let nbemm: Awaited<ReturnType<typeof fakeService<'nbemm'>>>;
let nbrb: Awaited<ReturnType<typeof fakeService<'nbrb'>>>;
let library: Library;
let stateDir: string;
let daemon: Awaited<ReturnType<typeof startTestDaemon>>;
/** Jobs whose grants nbrb calls invalid. */
let invalid: bigint[];
let base = 1000n;

beforeAll(async () => {
  bus = await startTestBus({ hosts: ['media1'] });
  bpbrm = (await bus.as({ service: 'bpbrm', host: 'media1' })).client('bptm', 'media1');
  agent = (await bus.as({ service: 'ndmpagent', host: 'media1' })).client('bptm', 'media1');
  buses = {
    ltid: await bus.as({ service: 'ltid', host: 'media1' }),
    nbemm: await bus.as({ service: 'nbemm' }),
    nbrb: await bus.as({ service: 'nbrb' }),
  };
});
afterAll(() => bus.stop());

beforeEach(async () => {
  library = await makeLibrary();
  stateDir = mkdtempSync(join(tmpdir(), 'bptm-state-'));
  base += 100n;
  invalid = [];
  ltid = await fakeService(buses.ltid, 'ltid', {
    Mount: async () => ({ drivePath: library.drivePath, mountMs: 5n }),
    Unmount: async () => ({}),
    RenewMount: async () => ({ valid: true, validForMs: 60_000n }),
  });
  nbemm = await fakeService(buses.nbemm, 'nbemm', {
    ListNdmpHosts: async () => ({ hosts: [{ name: 'filer', address: '127.0.0.1' }] }),
    RecordFragment: async () => ({}),
    RecordMediaEvent: async () => ({}),
  });
  nbrb = await fakeService(buses.nbrb, 'nbrb', {
    RenewGrants: async ({ grants }) => ({
      invalid: grants.filter((each) => invalid.includes(each.attempt!.jobId)),
    }),
  });
  daemon = await start();
});
afterEach(async () => {
  await daemon.stop();
  for (const fake of [ltid, nbemm, nbrb]) await fake.stop();
  library.remove();
  rmSync(stateDir, { recursive: true, force: true });
});

const start = () =>
  startTestDaemon(bptm, bus, {
    stateDir,
    env: { BPTM_POOL_SIZE: '1', BPTM_RENEW_EVERY_MS: '150' },
  });

const ref = (n: number) => ({
  attempt: { jobId: base + BigInt(n), try: 1, step: 0 },
  grantId: `g${base}-${n}`,
  epoch: base * 10n + BigInt(n),
});

/** Stream n of a group that stream 1 began. */
function request(n: number): Init<OpenStreamRequest> {
  const joins = n === 1 ? {} : { mpxGroup: ref(1).grantId, mpxMount: ref(1) };
  return {
    grant: {
      ...ref(n),
      ...joins,
      ...{ mediaServer: 'media1', mode: 'DRIVE_MODE_WRITE', blockSizeBytes: 65_536, maxMpx: 4 },
      ...{ volume: volume(), drive: { name: 'drive0', path: library.drivePath } },
    },
    image: { backupId: `filer_${n}`, backupTimeS: 1n, butype: 'tar' },
    job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/export' } },
  };
}

const now = (grant: Init<GrantRef>) => bpbrm.WatchStream({ grant, afterVersion: 0n, waitMs: 0 });

async function until(phase: StreamState['phase'], grant: Init<GrantRef>): Promise<StreamState> {
  return eventually(phase, async () => {
    const state = await now(grant);
    if (state.phase === phase) return state;
    if (state.phase === 'STREAM_PHASE_FAILED') throw new Error(state.status?.detail);
    return undefined;
  });
}

async function failed(n: number): Promise<StreamState> {
  return eventually(`stream ${n} fails`, async () => {
    const state = await now(ref(n));
    return state.phase === 'STREAM_PHASE_FAILED' ? state : undefined;
  });
}

async function open(n: number): Promise<number> {
  await bpbrm.OpenStream(request(n));
  const { addresses } = await until('STREAM_PHASE_READY', ref(n));
  return addresses[0]!.port;
}

async function backUp(n: number, data: Buffer): Promise<StreamState> {
  await sendAll(await open(n), data);
  return finish(n, data);
}

async function finish(n: number, data: Buffer): Promise<StreamState> {
  await bpbrm.FinishStream({ grant: ref(n), expectedBytes: BigInt(data.length) });
  return until('STREAM_PHASE_DONE', ref(n));
}

/** Sends the first part, and gives what sends the rest. */
async function begin(n: number, data: Buffer) {
  const socket = net.connect(await open(n), '127.0.0.1');
  socket.on('error', () => undefined);
  const half = Math.floor(data.length / 2);
  socket.write(data.subarray(0, half));
  await until('STREAM_PHASE_MOVING', ref(n));
  return { socket, rest: () => socket.end(data.subarray(half)) };
}

async function restored(n: number, { fragments }: StreamState): Promise<Buffer> {
  const grant = { ...ref(n), attempt: { ...ref(n).attempt, step: 7 }, epoch: base * 10n + 90n };
  const { grant: written, job } = request(1);
  await bpbrm.OpenStream({
    grant: {
      ...{ ...written, ...grant, mode: 'DRIVE_MODE_READ', maxMpx: 0 },
      volume: volume(undefined, fragments[0]!.mediaId),
    },
    job: { ...job, type: 'JOB_TYPE_RESTORE', restore: { destClient: 'filer' } },
    ...{ backupId: `filer_${n}`, fragments },
  });
  const { addresses } = await until('STREAM_PHASE_READY', grant);
  const received = receiveAll(addresses[0]!.port);
  await agent.SendRange({ grant, sequence: 1, offset: 0n, length: TO_THE_END });
  const bytes = await received;
  await bpbrm.FinishStream({ grant });
  await until('STREAM_PHASE_DONE', grant);
  return bytes;
}

const unmounted = () => ltid.requests('Unmount').map(({ grant }) => grant?.grantId);

test('streams share one mount, which outlives the one that began it; all are recorded under its grant', async () => {
  const [first, second, third] = [800_000, 1_500_000, 400_000].map(randomData) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const long = await begin(2, second);
  const one = await backUp(1, first);
  expect(unmounted()).toEqual([]);
  const three = await backUp(3, third);
  long.rest();
  const two = await finish(2, second);
  await ltid.waitFor('Unmount');
  expect(unmounted()).toEqual([ref(1).grantId]);
  expect(ltid.requests('Mount').map(({ grant }) => grant?.grantId)).toEqual([ref(1).grantId]);
  const told = nbemm.requests('RecordFragment');
  expect(new Set(told.map(({ grant }) => grant?.grantId))).toEqual(new Set([ref(1).grantId]));
  expect(told.map(({ backupId }) => backupId)).toEqual(
    expect.arrayContaining(['filer_1', 'filer_2', 'filer_3']),
  );
  expect(two.fragments.length).toBeGreaterThan(2);
  for (const [n, state, data] of [
    [1, one, first],
    [2, two, second],
    [3, three, third],
  ] as const) {
    expect((await restored(n, state)).equals(data)).toBe(true);
  }
});

test('a filer that dies, a stream that is aborted and a grant that is lost end alone', async () => {
  const data = randomData(900_000);
  const well = await begin(2, data);
  const dying = await begin(1, data);
  dying.socket.resetAndDestroy();
  expect((await failed(1)).status?.code).toBe(23);
  await begin(3, data);
  await bpbrm.AbortStream({
    grant: ref(3),
    reason: { code: 150, name: 'cancelled', detail: 'no' },
  });
  expect((await failed(3)).status?.code).toBe(150);
  await begin(4, data);
  invalid = [ref(4).attempt.jobId];
  expect((await failed(4)).status?.code).toBe(902);
  expect(unmounted()).toEqual([]);
  well.rest();
  const done = await finish(2, data);
  await ltid.waitFor('Unmount');
  expect((await restored(2, done)).equals(data)).toBe(true);
});

test('a drive process that is killed ends all its streams with 82; who comes then goes on where they closed', async () => {
  const data = randomData(700_000);
  const closed = await backUp(1, data);
  await ltid.waitFor('Unmount');
  await begin(2, data);
  await begin(3, data);
  const { writerPid } = ltid.requests('RenewMount').at(-1)!;
  process.kill(writerPid, 'SIGKILL');
  for (const n of [2, 3]) expect((await failed(n)).status?.code).toBe(82);
  await eventually('given back', async () => unmounted().length === 2);
  const appends = nbemm.requests('RecordFragment').map(({ append }) => append!.fileNumber);
  const late = await backUp(4, data);
  expect(late.fragments[0]!.fileNumber).toBe(Math.max(...appends));
  expect((await restored(1, closed)).equals(data)).toBe(true);
  expect((await restored(4, late)).equals(data)).toBe(true);
});

test('streams whose volume is full go on together upon the next, also who joins meanwhile', async () => {
  library.remove();
  library = await makeLibrary(4_000_000, 6);
  const given = new Map<number, string>();
  ltid.answer({
    Mount: async ({ grant }) => {
      await library.exchange(grant!.volume!.barcode);
      return { drivePath: library.drivePath, mountMs: 5n };
    },
  });
  nbrb.answer({
    NextVolume: async ({ number, mediaId: wanted }) => {
      if (wanted !== '') return { volume: volume(undefined, wanted) };
      const mediaId = given.get(number) ?? mediaIdOf(number);
      given.set(number, mediaId);
      return { volume: volume(undefined, mediaId) };
    },
  });
  const data = [5_000_000, 4_000_000, 1_500_000].map(randomData) as [Buffer, Buffer, Buffer];
  const [one, two] = [await begin(1, data[0]), await begin(2, data[1])];
  one.rest();
  two.rest();
  const three = await backUp(3, data[2]);
  const all = [await finish(1, data[0]), await finish(2, data[1]), three];
  await eventually('given back', async () => unmounted().length === 1);
  const media = new Set(all.flatMap(({ fragments }) => fragments.map(({ mediaId }) => mediaId)));
  expect([...media].sort()).toEqual(['A00001', 'A00002', 'A00003', 'A00004'].slice(0, media.size));
  expect(media.size).toBeGreaterThan(2);
  const mounts = ltid.requests('Mount').map(({ grant }) => [grant?.grantId, grant?.volumeNumber]);
  expect(mounts).toEqual([...media].map((_, number) => [ref(1).grantId, number]));
  const full = nbemm.requests('RecordMediaEvent').filter(({ event }) => /FULL/.test(event));
  expect(full.map(({ mediaId }) => mediaId).sort()).toEqual([...media].sort().slice(0, -1));
  for (const [i, state] of all.entries()) {
    expect((await restored(i + 1, state)).equals(data[i]!)).toBe(true);
  }
});

test('a mount that is not valid any more ends all streams', async () => {
  const data = randomData(100_000);
  await begin(1, data);
  await begin(2, data);
  ltid.answer({ RenewMount: async () => ({ valid: false, validForMs: 0n }) });
  for (const n of [1, 2]) expect((await failed(n)).status?.code).toBe(902);
  await ltid.waitFor('Unmount');
});

test('after a restart the mount is given back, and a late stream goes on behind what was closed', async () => {
  const data = randomData(700_000);
  await begin(2, data);
  const closed = await backUp(1, data);
  await daemon.stop();
  daemon = await start();
  expect((await failed(2)).status?.code).toBe(82);
  await ltid.waitFor('Unmount');
  const late = await backUp(3, data);
  expect(late.fragments[0]!.fileNumber).toBeGreaterThan(closed.fragments.at(-1)!.fileNumber);
  expect((await restored(1, closed)).equals(data)).toBe(true);
  expect((await restored(3, late)).equals(data)).toBe(true);
});

test('a mount that ltid refuses ends whoever waits for it', async () => {
  ltid.answer({
    Mount: async () => {
      throw new StatusError('mediaMisplaced', 'A00001 is in no element');
    },
  });
  await Promise.all([1, 2].map((n) => bpbrm.OpenStream(request(n))));
  for (const n of [1, 2]) expect((await failed(n)).status?.code).toBe(2033);
  await ltid.waitFor('Unmount');
});
