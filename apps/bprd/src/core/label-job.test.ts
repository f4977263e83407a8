import { codec, type Init, type SubmitLabelRequest, type VolumeRow } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { labelJob, validateLabel } from './label-job.ts';

const YES = { allowed: true, reason: '' };
const request = (more: Init<SubmitLabelRequest> = {}): SubmitLabelRequest =>
  codec('SubmitLabelRequest').decode(
    codec('SubmitLabelRequest').encode({
      ...{ requestId: 'r', label: { mediaId: 'A00001', density: 'hcart' } },
      ...more,
    }),
  );
const row = (volume: Init<VolumeRow>['volume'] = {}, more: Init<VolumeRow> = {}): VolumeRow =>
  codec('VolumeRow').decode(
    codec('VolumeRow').encode({
      ...{ volume: { mediaId: 'A00001', density: 'hcart', pool: 'Test', ...volume } },
      ...{ mediaType: 'HCART', ...more },
    }),
  );

test('a label and an erasure become jobs of their own type', () => {
  validateLabel(request(), YES);
  const label = { mediaId: 'A00001', overwrite: false };
  expect(labelJob(request(), row())).toMatchObject({ type: 'JOB_TYPE_LABEL', label });
  expect(labelJob(request({ erase: true, pool: 'Test' }), row()).type).toBe('JOB_TYPE_ERASE');
});

test.each<[string, () => void, number]>([
  ['no volume', () => validateLabel(request({ label: null }), YES), 133],
  ['a long name', () => validateLabel(request({ label: named('A000012') }), YES), 171],
  ['not allowed', () => validateLabel(request(), { allowed: false, reason: 'no' }), 117],
  ['unknown to EMM', () => labelJob(request(), undefined), 2031],
  ['a cleaning cartridge', () => labelJob(request(), row({}, { mediaType: 'HC_CLN' })), 20],
  ['another density', () => labelJob(request(), row({ density: 'dlt' })), 2042],
  ['another pool', () => labelJob(request({ pool: 'Other' }), row()), 98],
  ['unexpired images', () => labelJob(request(), row({ assignedMs: 5n }, { images: 2 })), 168],
])('%s is refused', (_what, ask, code) => {
  expect(ask).toThrow(new RegExp(`^${code} `));
});

function named(mediaId: string) {
  return { mediaId, density: 'hcart' };
}
