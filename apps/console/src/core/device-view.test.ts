import { codec, type Init, type Messages } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { devicesSchema, libraryShapeSchema, volumePageSchema } from '../device-schemas.ts';
import { type DeviceFacts, viewDevices } from './device-view.ts';
import { viewLibrary } from './library-view.ts';
import { viewVolumes } from './volume-view.ts';

/** As it comes from the wire, with everything that a sender leaves out. */
function whole<N extends keyof Messages>(name: N, message: Init<Messages[N]>): Messages[N] {
  return codec(name).decode(codec(name).encode(message));
}

const drive = (index: number, more = {}) => ({
  ...{ name: `drive${index}`, mediaServer: 'media1', robotNumber: 0, robotDrive: index + 1 },
  ...more,
});
const devices = whole('GetDevicesReply', {
  robots: [{ number: 0, type: 'TLD', controlHost: 'media1' }],
  drives: [
    { drive: drive(0), state: 'UP' },
    { drive: drive(1), state: 'UP' },
    { drive: drive(2), state: 'DOWN', reason: 'three mounts failed' },
    { drive: drive(3), state: 'UP' },
    { drive: drive(4, { robotDrive: 0, ndmpHost: 'filer1' }), state: 'UP' },
    { drive: drive(5), state: 'UP' },
  ],
});
const broker = whole('DumpReply', {
  grants: [
    {
      grant: {
        ...{ attempt: { jobId: 7n }, drive: drive(0), volume: { mediaId: 'A00001' } },
        more: [{ attempt: { jobId: 7n }, drive: drive(5), volume: { mediaId: 'A00005' } }],
      },
    },
    { grant: { attempt: { jobId: 9n }, storageUnit: 'disk1', diskPath: '/backup' } },
  ],
  waiting: [{ request: { attempt: { jobId: 8n }, policy: 'nightly' }, reasons: ['no free drive'] }],
  unknown: [{ kind: 'drive', name: 'drive3', reason: 'its host is away', sinceMs: 5n }],
});
const mounts = whole('ListMountsReply', {
  mounts: [
    { drive: 'drive0', state: 'mounting', mediaId: 'A00001' },
    { drive: 'drive1', state: 'cleaning', reason: 'being cleaned' },
    { drive: 'drive2', state: 'mounted', mediaId: 'A00009', holder: { attempt: { jobId: 6n } } },
  ],
}).mounts;
const units = whole('ListStorageUnitsReply', {
  units: [
    { label: 'disk1', type: 'Disk', mediaServer: 'media1', path: '/backup', highWaterMark: 90 },
    { label: 'tapes', type: 'Media Manager' },
  ],
  disks: [{ storageUnit: 'disk1', capacityBytes: 100n, freeBytes: 30n, atMs: 4n }],
});
const facts: DeviceFacts = {
  ...{ devices, broker, units, mounts, ndmpHosts: null, pending: [], problems: [] },
};

test('a drive shows first what an operator must know, and who holds it', () => {
  const view = viewDevices(facts);
  expect(devicesSchema.parse(view)).toEqual(view);
  expect(view.drives.map(({ state, jobId, mediaId }) => [state, jobId, mediaId])).toEqual([
    ['mounting', 7, 'A00001'],
    ['cleaning', null, ''],
    ['down', 6, 'A00009'],
    ['unknown', null, ''],
    ['idle', null, ''],
    ['inUse', 7, 'A00005'],
  ]);
  expect(view.drives[3]).toMatchObject({ reason: 'its host is away', robotNumber: 0 });
  expect(view.drives[4]).toMatchObject({ robotNumber: null, ndmpHost: 'filer1' });
  expect(view.waiting).toMatchObject([{ jobId: 8, reasons: ['no free drive'] }]);
});

test('a disk shows how full it is and who writes there; one that was not told of says so', () => {
  expect(viewDevices(facts).disks).toMatchObject([
    { label: 'disk1', capacityBytes: 100, freeBytes: 30, highWaterPercent: 90, jobIds: [9] },
  ]);
  const untold = viewDevices({ ...facts, units: { ...units, disks: [] } });
  expect(untold.disks).toMatchObject([{ capacityBytes: null, toldMs: null }]);
});

test('what was not answered is left out, and said', () => {
  const view = viewDevices({ ...facts, devices: null, units: null, problems: ['no nbemm'] });
  expect(view).toMatchObject({ drives: [], disks: [], problems: ['no nbemm'] });
  expect(view.waiting.length).toBe(1);
});

const { volumes } = whole('ListVolumesReply', {
  volumes: [
    { volume: { mediaId: 'A00001', barcode: 'A00001L8', slot: 1, pool: 'Full' }, state: 'full' },
    {
      ...{ volume: { mediaId: 'A00002', barcode: 'A00002L8', slot: 2 }, state: 'active' },
      mountedDrive: 'drive0',
    },
    { volume: { mediaId: 'A00003', barcode: 'A00003L8', slot: 3 }, state: 'frozen' },
  ],
});

test('each place of a library shows its volume; what is not on record, and what is lost, too', () => {
  const robot = whole('ReadElementsReply', {
    elements: [
      { type: 'robot', number: 1, address: 1 },
      { type: 'slot', number: 1, address: 100, full: true, barcode: 'A00001L8' },
      { type: 'slot', number: 3, address: 102 },
      { type: 'import_export', number: 1, address: 50, full: true, barcode: 'X00001L8' },
      { type: 'drive', number: 1, address: 200, full: true, barcode: 'A00002L8' },
    ],
    moving: { fromAddress: 50, toAddress: 102 },
  });
  const view = viewLibrary({ robotNumber: 0, robot, problem: '', volumes, drives: [] });
  expect(libraryShapeSchema.parse(view)).toEqual(view);
  expect(view).toMatchObject({ source: 'robot', moving: { from: 50, to: 102 } });
  expect(view.elements).toMatchObject([
    { type: 'arm', full: false },
    { type: 'slot', mediaId: 'A00001', state: 'full', pool: 'Full' },
    { type: 'slot', full: false, missingMediaId: 'A00003' },
    { type: 'mail', full: true, mediaId: '', barcode: 'X00001L8', state: null },
    { type: 'drive', mediaId: 'A00002', state: 'active' },
  ]);
});

test('a library whose robot does not answer is drawn from the records', () => {
  const { drives } = devices;
  const view = viewLibrary({ robotNumber: 0, robot: null, problem: 'away', volumes, drives });
  expect(view).toMatchObject({ source: 'records', problem: 'away', moving: null });
  const slots = view.elements.filter(({ type }) => type === 'slot');
  expect(slots.map(({ number, mediaId }) => `${number} ${mediaId}`)).toEqual([
    ...['1 A00001', '2 ', '3 A00003'],
  ]);
  const loaded = view.elements.filter(({ type, full }) => type === 'drive' && full);
  expect(loaded).toMatchObject([{ number: 1, mediaId: 'A00002' }]);
  expect(view.elements.filter(({ type }) => type === 'drive')).toHaveLength(5);
});

test('a page of volumes names its next, and counts only states that it knows', () => {
  const reply = whole('ListVolumesReply', { volumes, more: true, counts: { full: 1, later: 2 } });
  const view = viewVolumes(reply);
  expect(volumePageSchema.parse(view)).toEqual(view);
  expect(view).toMatchObject({ next: 'A00003', counts: { full: 1 } });
  expect(view.volumes[0]).toMatchObject({ slot: 1, state: 'full', dataExpirationMs: null });
  const other = whole('ListVolumesReply', { volumes: [{ dataExpirationS: 2_147_483_647n }] });
  expect(viewVolumes(other)).toMatchObject({
    ...{ next: null, volumes: [{ slot: null, state: 'available', dataExpirationMs: null }] },
  });
});
