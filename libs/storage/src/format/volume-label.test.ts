import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeVolumeLabel, encodeVolumeLabel } from './volume-label.ts';

const label = { mediaId: 'A00001', assignedMs: 1_767_225_600_123n, pool: 'Nightly Pool' };

test('a label keeps what it is told, in two records of 80 characters', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Z0-9]{1,6}$/),
      fc.bigInt({ min: 0n, max: 9_999_999_999_999n }),
      fc.stringMatching(/^[!-~]([ -~]{0,30}[!-~])?$/),
      (mediaId, assignedMs, pool) => {
        const blocks = encodeVolumeLabel({ mediaId, assignedMs, pool });
        expect(blocks.map((block) => block.length)).toEqual([80, 80]);
        const finding = decodeVolumeLabel(blocks);
        expect(finding).toEqual({ kind: 'ours', label: { mediaId, assignedMs, pool } });
      },
    ),
  );
});

test('padding to a record size does not matter', () => {
  const padded = encodeVolumeLabel(label).map((b) => Buffer.concat([b, Buffer.alloc(944, ' ')]));
  expect(decodeVolumeLabel(padded)).toEqual({ kind: 'ours', label });
});

test('what is not ours is named', () => {
  const [vol1, uvl1] = encodeVolumeLabel(label);
  const tar = Buffer.alloc(1024);
  tar.write('ustar', 257);
  const later = Buffer.from(uvl1);
  later.write('0002', 4);
  expect(decodeVolumeLabel([])).toEqual({ kind: 'blank' });
  const what = (blocks: Uint8Array[]) => decodeVolumeLabel(blocks);
  expect(what([tar])).toEqual({ kind: 'foreign', what: 'a tar archive' });
  expect(what([Buffer.from('070701xyz')])).toEqual({ kind: 'foreign', what: 'a cpio archive' });
  expect(what([Buffer.alloc(10)])).toMatchObject({ kind: 'foreign' });
  expect(what([vol1])).toEqual({ kind: 'foreign', what: 'ANSI label A00001' });
  expect(what([vol1, later])).toMatchObject({ kind: 'foreign' });
});

test('what does not fit a label is refused', () => {
  expect(() => encodeVolumeLabel({ ...label, mediaId: 'A000001' })).toThrow(/mediaIdTooLong/);
  expect(() => encodeVolumeLabel({ ...label, mediaId: 'a1' })).toThrow(/mediaIdTooLong/);
  expect(() => encodeVolumeLabel({ ...label, pool: 'pöol' })).toThrow(/invalidParameter/);
  expect(() => encodeVolumeLabel({ ...label, pool: 'x'.repeat(33) })).toThrow(/invalidParameter/);
});
