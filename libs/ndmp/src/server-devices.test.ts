// The order of calls that one effect needs, and what becomes of ports that fail or throw.

import { expect, test } from 'vitest';
import { NDMP_ERROR, TAPE_MTIO } from './constants.ts';
import {
  MemoryDrive,
  MemoryRobots,
  MemoryStreams,
  MemoryTape,
  MemoryTapes,
} from './memory-devices.test-data.ts';
import { RecordPump } from './record-pump.ts';
import { isDeviceEffect, SessionDevices } from './server-devices.ts';
import type { TapeDrive } from './server-ports.ts';
import type { DeviceEffect, DeviceRequestName, DeviceRules } from './server-state.ts';

const PLAIN: DeviceRules = { markFirst: false, crossing: false, discard: false };

function call(
  name: DeviceRequestName,
  body: Record<string, unknown> = {},
  rules: Partial<DeviceRules> = {},
): DeviceEffect {
  return { do: 'device', name, body, rules: { ...PLAIN, ...rules } };
}

function stage() {
  const tape = new MemoryTape();
  const drive = new MemoryDrive(tape);
  const robots = new MemoryRobots();
  const streams = new MemoryStreams();
  const pump = new RecordPump(streams, () => {});
  const devices = new SessionDevices({ tapes: new MemoryTapes(drive), robots, pump });
  const error = async (effect: DeviceEffect): Promise<unknown> => {
    const event = await devices.perform(effect);
    return event?.type === 'answered' ? event.body.error : event?.type;
  };
  return { tape, drive, robots, streams, devices, error };
}
const open = call('tapeOpen', { device: 'nst0', mode: 1 });

test('a mark that is owed is written before the motion, and once', async () => {
  const { tape, drive, error } = stage();
  await error(open);
  await error(call('tapeWrite', { data: Buffer.from('x') }));
  const rewind = { operation: TAPE_MTIO.rewind, count: 1 };
  expect(await error(call('tapeMtio', rewind, { markFirst: true }))).toBe(0);
  expect([tape.items.at(-1), tape.items.length, drive.position]).toEqual(['mark', 2, 0]);
});

test('a mark that cannot be written is the answer; the motion is not made', async () => {
  const { drive, devices, error } = stage();
  await error(open);
  await error(call('tapeWrite', { data: Buffer.from('x') }));
  drive.fault = { call: 'space', error: NDMP_ERROR.io };
  const back = call('tapeMtio', { operation: 1, count: 3 }, { markFirst: true });
  expect(await devices.perform(back)).toEqual({
    type: 'answered',
    body: { error: NDMP_ERROR.io, residualCount: 3 },
  });
  expect(drive.position).toBe(1);
});

test('closing with discard does no I/O and gives the drive back whatever it says', async () => {
  const { drive, tape, error } = stage();
  await error(open);
  drive.fault = { call: 'close', error: NDMP_ERROR.io };
  expect(await error(call('tapeClose'))).toBe(NDMP_ERROR.io);
  expect(await error(call('tapeClose', {}, { discard: true, markFirst: true }))).toBe(0);
  expect([drive.closed, tape.items]).toEqual(['discard', []]);
  expect(await error(call('tapeGetState'))).toBe(NDMP_ERROR.deviceNotOpen);
});

test('rewinds and ejections need no count; spacings by nothing do not move', async () => {
  const { drive, error } = stage();
  await error(open);
  await error(call('tapeWrite', { data: Buffer.from('x') }));
  expect(await error(call('tapeMtio', { operation: TAPE_MTIO.backwardRecords, count: 0 }))).toBe(0);
  expect(drive.position).toBe(1);
  expect(await error(call('tapeMtio', { operation: TAPE_MTIO.rewind, count: 0 }))).toBe(0);
  expect(drive.position).toBe(0);
});

test('without ports nothing is there', async () => {
  const none = new SessionDevices({});
  expect(await none.list('tape')).toEqual([]);
  expect(none.progress()).toEqual({ bytesMoved: 0n, recordNumber: 0, bytesLeftToRead: 0n });
  expect(await none.perform(open)).toMatchObject({ body: { error: NDMP_ERROR.noDevice } });
  expect(await none.perform({ do: 'moverListen', addressType: 0 })).toMatchObject({
    type: 'failed',
  });
  const released = { do: 'releaseDevice' as const, rules: PLAIN };
  expect(await none.perform(released)).toBeUndefined();
});

test('a port that throws is answered for, and the end of the session comes through', async () => {
  const broken = {
    write: () => Promise.reject(new Error('cable')),
    close: (how: string) =>
      how === 'flush' ? Promise.reject(new Error('cable')) : Promise.resolve({ error: 0 }),
  } as unknown as TapeDrive;
  const tapes = { list: async () => [], open: async () => ({ error: 0, drive: broken }) };
  const devices = new SessionDevices({ tapes });
  await devices.perform(open);
  const written = await devices.perform(call('tapeWrite', { data: Buffer.from('x') }));
  expect(written).toEqual({
    type: 'failed',
    error: NDMP_ERROR.undefined,
    text: 'device failed: cable',
  });
  expect(await devices.perform({ do: 'releaseDevice', rules: PLAIN })).toBeUndefined();
});

test('the tape waits until an aborted mover has let go of it', async () => {
  const { devices, drive, streams, error } = stage();
  await error(open);
  await devices.perform({ do: 'moverListen', addressType: 0 });
  const order = {
    mode: 0,
    recordSizeBytes: 4,
    window: { offset: 0n, length: 64n },
    windowIsNew: true,
    crossing: false,
  };
  await devices.perform({ do: 'moverRun', order });
  await streams.call().write(Buffer.from('12345678'));
  await devices.perform({ do: 'moverAbort' });
  const state = await devices.perform(call('tapeGetState'));
  const { length } = drive.tape.items;
  await new Promise((resolve) => setImmediate(resolve));
  expect(drive.tape.items).toHaveLength(length);
  expect(state).toMatchObject({ body: { error: 0, blockNumber: length } });
});

test('a robot is asked for everything that SCSI has', async () => {
  const { error, robots } = stage();
  expect(await error(call('scsiGetState'))).toBe(NDMP_ERROR.deviceNotOpen);
  expect(await error(call('scsiOpen', { device: 'other' }))).toBe(NDMP_ERROR.noDevice);
  expect(await error(call('scsiOpen', { device: 'mc0' }))).toBe(0);
  const target = { device: 'mc0', controller: 0, id: 1, lun: 2 };
  expect(await error(call('scsiSetTarget', target))).toBe(NDMP_ERROR.notSupported);
  expect(await error(call('scsiResetBus'))).toBe(NDMP_ERROR.notSupported);
  expect(await error(call('scsiResetDevice'))).toBe(0);
  expect(await error(call('scsiExecuteCdb', { flags: 0 }))).toBe(0);
  expect(await error({ do: 'releaseDevice', rules: PLAIN })).toBeUndefined();
  expect(robots.closes).toBe(1);
});

test('effects of devices are told from those of the shell', () => {
  expect(isDeviceEffect({ do: 'moverRun' })).toBe(true);
  expect(isDeviceEffect({ do: 'answer' })).toBe(false);
});
