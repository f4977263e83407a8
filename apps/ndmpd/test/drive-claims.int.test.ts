// Who has a drive, and that nobody keeps it who is gone: the process killed, the session lost in the middle of a
// call, the thread dead, the server stopped while bytes flow.

import { mkdirSync, writeFileSync } from 'node:fs';
import {
  ADDR_TYPE,
  MOVER_HALT,
  MOVER_MODE,
  type MoverReport,
  NDMP_ERROR,
  type TapeDrive,
  U64_MAX,
} from '@tapestry/ndmp';
import { FIRST_ADDRESS, openVirtualLibrary } from '@tapestry/storage';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { TapeLibrary } from '../src/adapters/tape-library.ts';
import { TapeService } from '../src/adapters/tape-service.ts';
import { TapeThreads } from '../src/adapters/tape-threads.ts';
import {
  connectTo,
  Dma,
  makeWorkspace,
  PASSWORD,
  startServer,
  USER,
  type Workspace,
} from './harness.ts';
import { type NdmpdProcess, startProcess } from './process-harness.ts';
import { EOF_MARK, FSF, makeLibrary, moveTape, RDWR, READ, REW, TapeDma } from './tape-harness.ts';

const { noError, deviceBusy } = NDMP_ERROR;
const RECORD = 65_536;

let workspace: Workspace;
let library: string;

beforeEach(async () => {
  workspace = makeWorkspace();
  library = workspace.file('library');
  mkdirSync(workspace.file('home'));
  writeFileSync(workspace.file('password'), PASSWORD);
  await makeLibrary(library, { loaded: 1 });
});
afterEach(() => workspace.remove());

/** ndmpd as a process of its own, with this library. */
function startServerProcess(): NdmpdProcess {
  const login = ['--user', USER, '--password-file', workspace.file('password')];
  const offers = ['--export', `home=${workspace.file('home')}`, '--library', library];
  return startProcess(['--listen', '127.0.0.1:0', ...login, ...offers]);
}

/** A mover that receives, with two records of it on the tape already. */
async function moving(dma: TapeDma) {
  expect(await dma.open(RDWR)).toBe(noError);
  await dma.error('moverSetRecordSize', { recordSize: RECORD });
  await dma.error('moverSetWindow', { offset: 0n, length: U64_MAX });
  const way = { mode: MOVER_MODE.read, addressType: ADDR_TYPE.tcp };
  const { address } = await dma.ask('moverListen', way);
  const socket = connectTo(address);
  socket.write(Buffer.alloc(2 * RECORD, 'x'));
  await expect.poll(() => dma.position(), { timeout: 40_000 }).toEqual([0, 2]);
  return socket;
}

test('a killed server’s drives are free at once, for another server and for the robot', async () => {
  const first = startServerProcess();
  const dma = await TapeDma.login(await first.address);
  await moving(dma);
  const second = startServerProcess();
  const other = await TapeDma.login(await second.address);
  expect(await other.open(READ)).toBe(deviceBusy);
  await first.end('SIGKILL');
  expect(await other.open(READ)).toBe(noError);
  expect(await other.close()).toBe(noError);
  await moveTape(library, FIRST_ADDRESS.drive, FIRST_ADDRESS.slot);
  other.leave();
  await second.end('SIGTERM');
});

test('a server that is told to stop while bytes flow marks the tape and lets go of it', async () => {
  const first = startServerProcess();
  const dma = await TapeDma.login(await first.address);
  await moving(dma);
  await first.end('SIGTERM');
  const second = startServerProcess();
  const other = await TapeDma.login(await second.address);
  expect(await other.open(READ)).toBe(noError);
  expect(await other.mtio(REW)).toBe(0);
  expect(await other.mtio(FSF, 5)).toBe(4);
  expect(await other.position()).toEqual([1, 0]);
  other.leave();
  await second.end('SIGTERM');
});

test('a session that goes in the middle of a call leaves nothing behind', async () => {
  const server = await startServer(workspace, { home: workspace.path }, ['--library', library]);
  const watch = await openVirtualLibrary(library);
  const isFree = async (): Promise<boolean> => {
    const elements = await watch.inventory();
    return elements.find(({ type }) => type === 'drive')?.accessible ?? false;
  };
  try {
    for (const wait of [0, 0, 1, 5, 20, 60, 150, 300]) {
      const dma = await Dma.login(server.address);
      void dma.client.call('tapeOpen', { device: 'drive0', mode: RDWR }).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, wait));
      dma.client.close();
      await expect.poll(isFree, { timeout: 40_000 }).toBe(true);
    }
    const next = await TapeDma.login(server.address);
    // The last of them may only now be on its way out.
    await expect.poll(() => next.open(RDWR), { timeout: 40_000 }).toBe(noError);
    next.leave();
  } finally {
    await watch.close();
    await server.close();
  }
});

describe('threads', () => {
  let shared: TapeLibrary;
  let threads: TapeThreads;
  let reports: MoverReport[];
  const services: TapeService[] = [];

  beforeEach(async () => {
    shared = new TapeLibrary(library, await openVirtualLibrary(library));
    threads = new TapeThreads();
    reports = [];
  });
  afterEach(async () => {
    for (const service of services.splice(0)) await service.end();
    await threads.close();
    await shared.close();
  });

  function make(): TapeService {
    const service = new TapeService({
      ...{ library: shared, threads, hosts: { ipv4: '127.0.0.1', ipv6: '::1' } },
      onReport: (report) => reports.push(report),
      onLocalDial: () => {},
    });
    services.push(service);
    return service;
  }

  async function open(service: TapeService, mode: number): Promise<TapeDrive> {
    const { error, drive } = await service.tapes.open('drive0', mode);
    if (drive === undefined) throw new Error(`open answers ${error}`);
    return drive;
  }

  const mark = { operation: EOF_MARK, count: 1, crossing: false };

  test('one that is ended in the middle of a call gives its drive back', async () => {
    const [ended, next] = [make(), make()];
    const drive = await open(ended, RDWR);
    expect((await next.tapes.open('drive0', READ)).error).toBe(deviceBusy);
    const writing = drive.space(mark);
    const gone = ended.end();
    await expect(writing).rejects.toThrow('the session is over');
    await gone;
    expect((await (await open(next, READ)).close('flush')).error).toBe(noError);
  });

  test('one that dies halts its mover, loses its drive, and is replaced', async () => {
    const [dying, next] = [make(), make()];
    const drive = await open(dying, RDWR);
    const window = { offset: 0n, length: U64_MAX };
    const impossible = { mode: MOVER_MODE.read, recordSizeBytes: 0, window };
    dying.run({ ...impossible, windowIsNew: true, crossing: false });
    await expect
      .poll(() => reports, { timeout: 40_000 })
      .toMatchObject([{ type: 'moverHalted', reason: MOVER_HALT.internalError }]);
    const other = await open(next, READ);
    expect((await drive.close('flush')).error).toBe(NDMP_ERROR.io);
    expect((await drive.close('discard')).error).toBe(noError);
    expect((await other.close('flush')).error).toBe(noError);
    const again = await open(dying, RDWR);
    expect((await again.space(mark)).error).toBe(noError);
  });
});
