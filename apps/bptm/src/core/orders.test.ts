import { codec, type Init, type OpenStreamRequest } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { ndmpHostOf, orderOf } from './orders.ts';

const frame = {
  ...{
    drivePath: 'vtl:/lib#0',
    mediaServer: 'media1',
    ringBytes: 1,
    driveModules: {},
    iscsi: { host: 'media1', file: '/no/iscsi.json', required: false },
  },
  ...{ leaseMs: 1, software: 'test', kept: [] },
  connection: {
    ...{ bindHost: '', firstPort: 0, lastPort: 0, peers: [], acceptTimeoutMs: 1, dialTimeoutMs: 1 },
  },
};

function request(more: Init<OpenStreamRequest>, pool = 'NetBackup'): OpenStreamRequest {
  return codec('OpenStreamRequest').decode(
    codec('OpenStreamRequest').encode({
      grant: {
        ...{ grantId: 'g1', epoch: 4n, attempt: { jobId: 9n, try: 1, step: 0 } },
        ...{ mode: 'DRIVE_MODE_WRITE', volume: { mediaId: 'A00001', pool }, drive: { index: 3 } },
      },
      job: { type: 'JOB_TYPE_BACKUP', client: 'filer', backup: { path: '/vol1' } },
      image: { backupId: 'filer_1', backupTimeS: 5n, level: 1 },
      ...more,
    }),
  );
}

test('what goes onto the medium comes from grant, job and image', () => {
  const order = orderOf(request({}), frame);
  expect(order).toMatchObject({
    ...{ mode: 'write', driveIndex: 3, blockSizeBytes: 262_144 },
    owner: { grantId: 'g1', epoch: 4n },
    image: { backupId: 'filer_1', backupTimeMs: 5000n, client: 'filer', backupPath: '/vol1' },
  });
});

test.each<[string, OpenStreamRequest, RegExp]>([
  ['a write without an image', request({ image: null }), /133/],
  ['a request without a grant', request({ grant: null }), /133/],
  ['a pool for encrypted volumes', request({}, 'ENCR_pool'), /16 .*nothing is written in clear/],
])('%s is refused', (_what, refused, error) => {
  expect(() => orderOf(refused, frame)).toThrow(error);
});

test('a restore reads from the host that it restores to', () => {
  const { job } = request({
    job: { type: 'JOB_TYPE_RESTORE', client: 'a', restore: { destClient: 'b' } },
  });
  expect(ndmpHostOf(job!)).toBe('b');
});

test.each([
  ['JOB_TYPE_LABEL', 'no'],
  ['JOB_TYPE_ERASE', 'long'],
] as const)('%s: its volume alone, with what it may do', (type, erase) => {
  const label = { mediaId: 'A00001', overwrite: true, longErase: true };
  const job = codec('JobSpec').decode(codec('JobSpec').encode({ type, label }));
  const order = orderOf(request({ job, image: null }), { ...frame, kept: ['A00009'] });
  expect(order).toMatchObject({ mode: 'label', overwrite: true, erase, kept: ['A00009'] });
  const other = { ...job, label: { ...job.label!, mediaId: 'A00002' } };
  expect(() => orderOf(request({ job: other, image: null }), frame)).toThrow(/133/);
});
