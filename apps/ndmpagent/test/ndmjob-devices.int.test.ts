// The client's TAPE, SCSI and MOVER requests against an NDMP server that is not ours, in its versions: records and filemarks,
// a robot's arm, and whole backups and restores in which NDMJOB is data server and tape server at once, or twice.

import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  ADDR_TYPE,
  DATA_HALT,
  isRefusal,
  MOVER_HALT,
  MOVER_MODE,
  NDMP_ERROR,
  NdmpClient,
  type NdmpVersion,
  type Notification,
  type Pval,
  SCSI_FLAGS,
  TAPE_MTIO,
  TAPE_OPEN_MODE,
} from '@tapestry/ndmp';
import { eventually } from '@tapestry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  type Ndmjob,
  ndmjobUnavailable,
  startNdmjob,
} from '../../../tools/peers/start-ndmjob.ts';
import { connectNdmp, type NdmpSocket } from '../src/adapters/ndmp-socket.ts';

const RECORD = 10_240;
const VERSIONS: readonly NdmpVersion[] = [4, 3, 2];
const unavailable = ndmjobUnavailable();
if (unavailable !== undefined) console.warn(`NDMJOB tests are skipped: ${unavailable}`);

/** Addresses of elements that hold a cartridge, from the data of READ ELEMENT STATUS. */
function fullElements(data: Buffer): Set<number> {
  const full = new Set<number>();
  const end = 8 + data.readUIntBE(5, 3);
  for (let page = 8; page < end; page += 8 + data.readUIntBE(page + 5, 3)) {
    const length = data.readUInt16BE(page + 2);
    const pageEnd = page + 8 + data.readUIntBE(page + 5, 3);
    for (let at = page + 8; at + length <= pageEnd; at += length) {
      if ((data.readUInt8(at + 2) & 1) === 1) full.add(data.readUInt16BE(at));
    }
  }
  return full;
}

interface Session {
  readonly client: NdmpClient;
  readonly socket: NdmpSocket;
  readonly told: Notification[];
}

describe.skipIf(unavailable !== undefined)('NDMJOB as tape server', () => {
  let root: string;
  let peer: Ndmjob;
  const open: Session[] = [];

  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'ndmjob-devices-'));
    peer = await startNdmjob({ dir: join(root, 'peer') });
  });
  afterAll(async () => {
    await peer?.stop();
    rmSync(root, { recursive: true, force: true });
  });
  afterEach(async () => {
    await Promise.all(
      open.splice(0).map(async ({ client, socket }) => {
        await client.tape.close().catch(() => undefined);
        await client.scsi.close().catch(() => undefined);
        client.close();
        socket.destroy();
      }),
    );
  });

  async function connect(versionMax: NdmpVersion): Promise<Session> {
    const port = Number(peer.address.slice(peer.address.lastIndexOf(':') + 1));
    const never = new AbortController().signal;
    const socket = await connectNdmp({ host: '127.0.0.1', port }, 10_000, never);
    const told: Notification[] = [];
    const client = new NdmpClient({
      ...{ transport: socket, callTimeoutMs: 20_000 },
      handlers: { onNotify: (post) => void told.push(post) },
    });
    await client.connectOpen({ versionMax });
    await client.authMd5(NDMJOB_USER, NDMJOB_PASSWORD);
    const session = { client, socket, told };
    open.push(session);
    return session;
  }

  /** A drive is busy until the session before has let go of it. */
  const openTape = ({ client }: Session): Promise<unknown> =>
    eventually('the drive', async () => {
      try {
        await client.tape.open(peer.tape, TAPE_OPEN_MODE.readWrite);
        return true;
      } catch (error) {
        if (isRefusal(error, NDMP_ERROR.deviceBusy)) return undefined;
        throw error;
      }
    });

  const posted = <N extends Notification['name']>({ told }: Session, name: N) =>
    eventually(
      name,
      () =>
        told.find((post) => post.name === name) as Extract<Notification, { name: N }> | undefined,
      30_000,
    );

  const refusal = (work: Promise<unknown>): Promise<number> =>
    work.then(
      () => NDMP_ERROR.noError,
      (error: { error: number }) => error.error,
    );

  test.each(VERSIONS)(
    'v%i: records and filemarks come back as they were written',
    async (version) => {
      const session = await connect(version);
      const { tape } = session.client;
      await openTape(session);
      await tape.mtio(TAPE_MTIO.rewind, 1);
      const records = [1, 2, 3].map((fill) => Buffer.alloc(RECORD, fill + version));
      for (const record of records) expect(await tape.write(record)).toBe(RECORD);
      expect(await tape.mtio(TAPE_MTIO.writeFilemarks, 1)).toBe(0);
      await tape.write(Buffer.from('behind the mark'));
      await tape.mtio(TAPE_MTIO.writeFilemarks, 2);
      await tape.mtio(TAPE_MTIO.rewind, 1);
      for (const record of records) expect((await tape.read(RECORD)).equals(record)).toBe(true);
      expect(await refusal(tape.read(RECORD))).toBe(NDMP_ERROR.eof);
      await tape.mtio(TAPE_MTIO.rewind, 1);
      await tape.mtio(TAPE_MTIO.forwardFiles, 1);
      const state = await tape.getState();
      expect(state.fileNumber).toBe(1);
      expect((await tape.read(RECORD)).toString()).toBe('behind the mark');
      await tape.mtio(TAPE_MTIO.backwardFiles, 1);
      await tape.mtio(TAPE_MTIO.backwardRecords, 1);
      expect((await tape.read(RECORD)).equals(records[2]!)).toBe(true);
      await tape.close();
    },
  );

  test.each(VERSIONS)(
    'v%i: what is not there or taken is refused by its own code',
    async (version) => {
      const session = await connect(version);
      const { client } = session;
      const { readWrite } = TAPE_OPEN_MODE;
      expect(await refusal(client.tape.open(join(root, 'nosuch'), readWrite))).toBe(
        NDMP_ERROR.noDevice,
      );
      expect(await refusal(client.tape.read(RECORD))).toBe(NDMP_ERROR.deviceNotOpen);
      await openTape(session);
      expect(await refusal(client.tape.open(peer.tape, readWrite))).toBe(NDMP_ERROR.deviceOpened);
      expect(await refusal(client.scsi.open(peer.library))).toBe(NDMP_ERROR.deviceOpened);
      const other = await connect(version);
      expect(await refusal(other.client.tape.open(peer.tape, readWrite))).toBe(
        NDMP_ERROR.deviceBusy,
      );
      expect(await refusal(client.mover.continue())).toBe(NDMP_ERROR.illegalState);
    },
  );

  const cdb = (bytes: number[], dataInLength: number) => ({
    ...{ flags: dataInLength > 0 ? SCSI_FLAGS.dataIn : 0, timeoutMs: 20_000, dataInLength },
    ...{ cdb: Buffer.from(bytes), dataOut: Buffer.alloc(0) },
  });

  test.each(VERSIONS)(
    'v%i: a robot tells what it is, and moves a cartridge and back',
    async (version) => {
      const { client } = await connect(version);
      const { scsi } = client;
      await scsi.open(peer.library);
      const inquiry = await scsi.executeCdb(cdb([0x12, 0, 0, 0, 96, 0], 96));
      expect(inquiry.status).toBe(0);
      expect(inquiry.dataIn[0]! & 0x1f).toBe(8);
      const drive = 128;
      const slot = 1024;
      const move = (from: number, to: number) => {
        const addresses = [from >> 8, from & 0xff, to >> 8, to & 0xff];
        return scsi.executeCdb(cdb([0xa5, 0, 0, 16, ...addresses, 0, 0, 0, 0], 0));
      };
      // This robot only tells all of its elements at once.
      const full = async (): Promise<(address: number) => boolean> => {
        const bytes = [0xb8, 0, 0, 0, 0xff, 0xff, 0, 0, 0x10, 0, 0, 0];
        const elements = fullElements((await scsi.executeCdb(cdb(bytes, 4096))).dataIn);
        return (address) => elements.has(address);
      };
      const before = await full();
      expect([before(drive), before(slot)]).toEqual([false, true]);
      expect((await move(slot, drive)).status).toBe(0);
      const between = await full();
      expect([between(drive), between(slot)]).toEqual([true, false]);
      expect((await move(drive, slot)).status).toBe(0);
      expect((await full())(slot)).toBe(true);
      // What the robot refuses is no failure of the call: its sense tells.
      const refused = await move(slot, 4000);
      expect(refused.status).toBe(2);
      expect(refused.sense[1]! & 0x0f).toBe(5);
      await scsi.close();
    },
  );

  function makeData(name: string): { data: string; file: string; content: Buffer } {
    const data = join(root, name);
    mkdirSync(join(data, 'sub'), { recursive: true });
    const file = join(data, 'sub', 'big.bin');
    const content = Buffer.alloc(1_500_000, name);
    writeFileSync(file, content);
    return { data, file, content };
  }

  /** Backup to and restore from tape; `dataSide` and `tapeSide` are one session (local), or two (three-way). */
  async function throughTape(dataSide: Session, tapeSide: Session, name: string): Promise<void> {
    const { data, file, content } = makeData(name);
    const addressType = dataSide === tapeSide ? ADDR_TYPE.local : ADDR_TYPE.tcp;
    const { tape, mover } = tapeSide.client;
    const env: Pval[] = [
      { name: 'FILESYSTEM', value: data },
      { name: 'TYPE', value: 'tar' },
      { name: 'HIST', value: 'n' },
    ];
    await openTape(tapeSide);
    await tape.mtio(TAPE_MTIO.rewind, 1);
    const opening = { recordSizeBytes: RECORD, addressType };
    const from = await mover.prepareListen({ ...opening, mode: MOVER_MODE.read });
    await dataSide.client.dataConnect(from);
    await dataSide.client.startBackup({ butype: 'tar', env });
    await dataEnded(dataSide);
    await moverEnded(tapeSide);
    const { bytesProcessed } = await dataSide.client.getState();
    expect(bytesProcessed).toBeGreaterThan(1_500_000n);
    await dataSide.client.stop();
    await mover.stop();
    await tape.mtio(TAPE_MTIO.writeFilemarks, 2);
    writeFileSync(file, 'changed');

    await tape.mtio(TAPE_MTIO.rewind, 1);
    const to = await mover.prepareListen({ ...opening, mode: MOVER_MODE.write });
    await dataSide.client.dataConnect(to);
    await dataSide.client.startRecover({
      butype: 'tar',
      env: [...env, { name: 'PREFIX', value: data }],
      names: [wholeName(data)],
    });
    // In one session the mover reads ahead by itself; in two, what the data server asks for is passed on.
    if (dataSide !== tapeSide) {
      const { body } = await posted(dataSide, 'notifyDataRead');
      await mover.read({ offset: body.offset, length: body.length });
    }
    await dataEnded(dataSide);
    // It waits at the filemark, for an end that only the DMA can tell it.
    await mover.close();
    await moverEnded(tapeSide);
    await dataSide.client.stop();
    await mover.stop();
    expect(readFileSync(file).equals(content)).toBe(true);
  }

  const UNKNOWN = 0xffff_ffff_ffff_ffffn;
  const wholeName = (data: string) => ({
    ...{ originalPath: '/', destinationPath: data, name: '', otherName: '' },
    ...{ node: UNKNOWN, fhInfo: UNKNOWN },
  });

  async function dataEnded(session: Session): Promise<void> {
    const { body } = await posted(session, 'notifyDataHalted');
    expect(body.reason).toBe(DATA_HALT.successful);
    session.told.splice(0, session.told.findIndex(({ name }) => name === 'notifyDataHalted') + 1);
  }

  async function moverEnded(session: Session): Promise<void> {
    const { body } = await posted(session, 'notifyMoverHalted');
    expect(body.reason).toBe(MOVER_HALT.connectClosed);
    session.told.length = 0;
  }

  test.each(VERSIONS)('v%i: a local backup comes back from tape', async (version) => {
    const session = await connect(version);
    await throughTape(session, session, `local-${version}`);
  });

  test.each([4, 3] as const)('v%i: a three-way backup comes back from tape', async (version) => {
    const [dataSide, tapeSide] = [await connect(version), await connect(version)];
    await throughTape(dataSide, tapeSide, `three-way-${version}`);
  });
});
