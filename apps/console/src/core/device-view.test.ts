import { codec } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { devicesSchema } from '../schemas.ts';
import { viewDevices } from './device-view.ts';

const devices = codec('GetDevicesReply').decode(
  codec('GetDevicesReply').encode({
    drives: [
      {
        drive: { name: 'drive0', mediaServer: 'media1', robotNumber: 0, robotDrive: 1 },
        state: 'UP',
      },
      { drive: { name: 'drive1', mediaServer: 'media1' }, state: 'DOWN', reason: 'cleaning' },
    ],
  }),
);
const volumes = codec('ListVolumesReply').decode(
  codec('ListVolumesReply').encode({
    volumes: [
      { volume: { mediaId: 'A00001', slot: 3, assignedMs: 9n }, statusBits: 8 },
      { volume: { mediaId: 'A00002' } },
    ],
  }),
);
const broker = codec('DumpReply').decode(
  codec('DumpReply').encode({
    grants: [
      {
        grant: { attempt: { jobId: 7n }, drive: { name: 'drive0' }, volume: { mediaId: 'A00001' } },
      },
    ],
    waiting: [
      { request: { attempt: { jobId: 8n }, policy: 'nightly' }, reasons: ['no free drive'] },
    ],
    unknown: [{ kind: 'drive', name: 'drive1', reason: 'its host is away', sinceMs: 5n }],
  }),
);

test('a drive shows who holds it, a volume what it is good for', () => {
  const view = viewDevices({ devices, volumes, broker, problems: [] });
  expect(devicesSchema.parse(view)).toEqual(view);
  expect(view.drives).toMatchObject([
    { name: 'drive0', jobId: 7, mediaId: 'A00001', robotNumber: 0 },
    { name: 'drive1', jobId: null, robotNumber: null, reason: 'cleaning' },
  ]);
  expect(view.volumes).toMatchObject([
    { state: 'full', slot: 3, robotNumber: 0 },
    { state: 'available', slot: null, robotNumber: null },
  ]);
  expect(view.waiting).toMatchObject([{ jobId: 8, reasons: ['no free drive'] }]);
  expect(view.unknown).toMatchObject([{ name: 'drive1', sinceMs: 5 }]);
});

test('what was not answered is left out, and said', () => {
  const view = viewDevices({ devices: null, volumes: null, broker, problems: ['no nbemm'] });
  expect(view).toMatchObject({ drives: [], volumes: [], problems: ['no nbemm'] });
  expect(view.waiting.length).toBe(1);
});
