import { codec } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { decideLabel, type Found } from './label-decision.ts';

const volume = (fileNumber: number) =>
  codec('VolumeSpec').decode(
    codec('VolumeSpec').encode({ mediaId: 'A00001', assignedMs: 5n, append: { fileNumber } }),
  );
const ours = (mediaId: string, assignedMs: bigint): Found => ({
  kind: 'ours',
  label: { mediaId, assignedMs },
});

test.each<[string, number, Found, string]>([
  ['a blank new volume', 0, { kind: 'blank' }, 'label'],
  ['a recycled volume', 0, ours('A00001', 1n), 'label'],
  ['a volume with data', 4, ours('A00001', 5n), 'append'],
  ['a blank volume with data on record', 4, { kind: 'blank' }, 'cannotReadMediaHeader'],
  ['another volume', 4, ours('A00002', 5n), 'wrongTape'],
  ['another volume, as empty', 0, ours('A00002', 5n), 'wrongTape'],
  ['an earlier life of the volume', 4, ours('A00001', 4n), 'wrongTape'],
  ['foreign data', 0, { kind: 'foreign', what: 'a tar archive' }, 'cannotOverwriteMedia'],
])('%s: %s', (_what, fileNumber, found, expected) => {
  const decision = decideLabel(volume(fileNumber), found);
  expect(decision.do === 'refuse' ? decision.failure.status : decision.do).toBe(expected);
});
