import { codec } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { decideLabel, type Found, mayRelabel } from './label-decision.ts';

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

test.each<[string, boolean, Found, string]>([
  ['a blank tape', false, { kind: 'blank' }, 'ok'],
  ['its own label of a life that is over', false, ours('A00001', 1n), 'ok'],
  ['another label', false, ours('A00002', 1n), 'wrongTape'],
  ['another label, with -o', true, ours('A00002', 1n), 'ok'],
  ['the label of a volume with images', false, ours('A00009', 1n), 'cannotOverwriteMedia'],
  ['the label of a volume with images, with -o', true, ours('A00009', 1n), 'cannotOverwriteMedia'],
  ['foreign data', false, { kind: 'foreign', what: 'a tar archive' }, 'cannotOverwriteMedia'],
  ['foreign data, with -o', true, { kind: 'foreign', what: 'a tar archive' }, 'ok'],
])('labelled by command over %s: %s', (_what, overwrite, found, expected) => {
  const failure = mayRelabel({ volume: { mediaId: 'A00001' }, overwrite, kept: ['A00009'] }, found);
  expect(failure?.status ?? 'ok').toBe(expected);
});
