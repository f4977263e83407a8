import type { Fragment, ImageResult } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { findFlaw } from './validation.ts';

const fragment = (
  number: number,
  begin: number,
  end: number,
  more: Partial<Fragment> = {},
): Fragment => ({
  ...{ copy: 1, number, mediaId: 'A00001', mediaServer: 'm', density: 'hcart', fileNumber: 1 },
  ...{ blockNumber: 0n, blockSizeBytes: 1, dataBlocks: 1n, digest: new Uint8Array() },
  ...{ streamBeginBytes: BigInt(begin), streamEndBytes: BigInt(end), mediaAssignedMs: 1n },
  ...{ driveIndex: 0, keyTag: new Uint8Array(), writtenMs: 1n },
  ...{ layout: 'FRAGMENT_LAYOUT_BLOCKS', stream: 0, indexStepBytes: 0n, indexBlocks: [] },
  ...more,
});
const list = { sha256: new Uint8Array([1, 2]), sizeBytes: 5n, entries: 1n };
const result = (
  bytes: number,
  fragments: Fragment[],
  fileList: typeof list | null = list,
): ImageResult => ({
  ...{ backupId: 'a_1', bytes: BigInt(bytes), files: 1n, elapsedMs: 1n, fragments, env: [] },
  ...{ fileList, butype: 'dump' },
});

test('valid: every byte in a fragment, and the file list that was delivered', () => {
  expect(findFlaw(result(9, [fragment(1, 0, 5), fragment(2, 5, 9)]), list)).toBeUndefined();
  expect(findFlaw(result(0, [fragment(1, 0, 0)]), list)).toBeUndefined();
});

test.each<[string, ImageResult, typeof list | undefined]>([
  ['no fragments', result(9, []), list],
  ['a gap', result(9, [fragment(1, 0, 5), fragment(2, 6, 9)]), list],
  ['a missing end', result(9, [fragment(1, 0, 5)]), list],
  ['a missing first', result(9, [fragment(2, 0, 9)]), list],
  ['no volume', result(9, [fragment(1, 0, 9, { mediaId: '' })]), list],
  ['no file list named', result(9, [fragment(1, 0, 9)], null), list],
  ['none delivered', result(9, [fragment(1, 0, 9)]), undefined],
  [
    'another delivered',
    result(9, [fragment(1, 0, 9)]),
    { ...list, sha256: new Uint8Array([1, 3]) },
  ],
  ['another length', result(9, [fragment(1, 0, 9)]), { ...list, sizeBytes: 6n }],
])('not valid: %s', (_what, image, delivered) => {
  expect(findFlaw(image, delivered)).toBeDefined();
});
