import { codec, type Init, type OpenStreamRequest } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { writeOrder } from '../../test/drive-kit.ts';
import { latestAppend, memberOrder, sharedMount } from './sharing.ts';

const attempt = (jobId: bigint) => ({ jobId, try: 1, step: 0 });
const grant: NonNullable<Init<OpenStreamRequest>['grant']> = {
  ...{ grantId: 'g2', epoch: 2n, attempt: attempt(2n), mode: 'DRIVE_MODE_WRITE', maxMpx: 4 },
  drive: { name: 'd0' },
};
const request = (more: Partial<typeof grant> = {}) =>
  codec('OpenStreamRequest').decode(
    codec('OpenStreamRequest').encode({ grant: { ...grant, ...more } }),
  );

test('who begins mounts under its own grant, who joins under that; who is alone, reads or is far does not share', () => {
  expect(sharedMount(request())).toMatchObject({ grantId: 'g2', epoch: 2n });
  const mpxMount = { grantId: 'g1', epoch: 1n, attempt: attempt(1n) };
  expect(sharedMount(request({ mpxMount }))).toEqual(mpxMount);
  expect(sharedMount(request({ maxMpx: 1 }))).toBeNull();
  expect(sharedMount(request({ mode: 'DRIVE_MODE_READ' }))).toBeNull();
  expect(sharedMount(request({ drive: { name: 'd0', ndmpHost: 'filer' } }))).toBeNull();
  expect(sharedMount(request({ drive: null, diskPath: '/d' }))).toBeNull();
});

const fragment = (fileNumber: number, blockNumber: bigint, dataBlocks: bigint) =>
  codec('Fragment').decode(
    codec('Fragment').encode({
      ...{ fileNumber, blockNumber, dataBlocks, digest: new Uint8Array([fileNumber]), number: 1 },
    }),
  );

test('the next tape file begins behind the last that is known to be closed', () => {
  const granted = {
    ...{ fileNumber: 3, blockNumber: 30n, trailerDigest: new Uint8Array(), fragment: 'x 1' },
  };
  expect(latestAppend(null, [])).toBeNull();
  expect(latestAppend(granted, [])).toBe(granted);
  expect(latestAppend(granted, [fragment(2, 10n, 5n)])).toBe(granted);
  const behind = [fragment(4, 50n, 7n), fragment(3, 30n, 17n), fragment(4, 50n, 7n)];
  expect(latestAppend(granted, behind)).toMatchObject({
    ...{ fileNumber: 5, blockNumber: 60n, fragment: 'fragment 1' },
  });
});

test('a stream writes what is its own in the way of all', () => {
  const place = { dir: '', drivePath: 'vtl:/x#0', remove: () => undefined };
  const first = writeOrder(place, { blockSizeBytes: 65_536, maxFragmentBytes: 5n });
  const own = writeOrder(place, { blockSizeBytes: 1024, leaseMs: 77 });
  const append = latestAppend(null, [fragment(1, 3n, 2n)]);
  const mount = { grantId: 'g1', epoch: 1n, attempt: attempt(1n) };
  expect(memberOrder(own, { mount, first, append, ringBytes: 8_000, streamsMax: 4 })).toMatchObject(
    {
      ...{ leaseMs: 77, blockSizeBytes: 65_536, maxFragmentBytes: 5n, ringBytes: 2_000 },
      ...{ owner: { grantId: 'g1', epoch: 1n }, volume: { mediaId: 'A00001', append } },
    },
  );
});
