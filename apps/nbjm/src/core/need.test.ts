import { expect, test } from 'vitest';
import { restoreSpec } from './job.test-data.ts';
import { submit } from './job.ts';
import { resourceRequest } from './need.ts';

const UNKNOWN = 0xffff_ffff_ffff_ffffn;

/** An image of 300 bytes upon three volumes, and files at these places of it. */
function wanted(places: readonly bigint[], directAccess = true): string | null | undefined {
  const spec = restoreSpec(1);
  const [step] = spec.restore!.steps;
  const fragments = [0n, 100n, 200n].map((begin, at) => ({
    ...step!.fragments[0]!,
    ...{ number: at + 1, mediaId: `A0000${at + 1}` },
    ...{ streamBeginBytes: begin, streamEndBytes: begin + 100n },
  }));
  const entries = places.map((fhInfo) => ({ ...step!.entries[0]!, fhInfo }));
  const steps = [{ ...step!, fragments, entries, directAccess }];
  const { job } = submit({
    id: 1n,
    spec: { ...spec, restore: { ...spec.restore!, steps } },
    nowMs: 0,
  });
  return resourceRequest(job).mediaId;
}

test('a restore begins on the volume that holds the first of its files', () => {
  expect(wanted([250n, 199n])).toBe('A00002');
  expect(wanted([200n])).toBe('A00003');
  expect(wanted([0n, 299n])).toBe('A00001');
});

test('without the places of all files it begins where the image does', () => {
  expect(wanted([250n, UNKNOWN])).toBe('A00001');
  expect(wanted([250n], false)).toBe('A00001');
  expect(wanted([])).toBe('A00001');
  expect(wanted([900n])).toBe('A00001');
});
