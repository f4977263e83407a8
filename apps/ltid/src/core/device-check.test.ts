import type { LibraryElement } from '@tapestry/storage';
import { expect, test } from 'vitest';
import { judgeDevice } from './device-check.ts';

const drive = (index: number, driveSerial: string | null): LibraryElement => ({
  ...{ address: 500 + index, type: 'drive', index, full: false, barcode: null },
  ...{ sourceAddress: null, accessible: true, driveSerial },
});
const ELEMENTS = [drive(0, 'D1'), drive(1, 'D')];

test.each([
  ['a drive that is new is recorded', '', 'D1', 0, ELEMENTS, 'record'],
  ['one that is known is left alone', 'D1', 'D1', 0, ELEMENTS, 'nothing'],
  ['one that tells nothing too', 'D1', '', 0, ELEMENTS, 'nothing'],
  ['a robot that cannot be asked is no reason', '', 'D1', 1, null, 'record'],
  ['nor is one that tells no numbers', '', 'D1', 1, [drive(0, null), drive(1, null)], 'record'],
  ['nor is a number that was cut short', '', 'D2', 1, ELEMENTS, 'record'],
  ['another drive is down', 'D1', 'D9', 0, ELEMENTS, 'down'],
  ['so is one that stands elsewhere in its robot', 'D1', 'D1', 1, ELEMENTS, 'down'],
] as const)('%s', (_what, known, found, driveIndex, elements, wanted) => {
  expect(judgeDevice({ known, found, driveIndex, elements }).do).toBe(wanted);
});

test('the reason says what to do, and where it is', () => {
  const other = judgeDevice({ known: 'D1', found: 'D9', driveIndex: 0, elements: null });
  expect(other).toMatchObject({ reason: expect.stringMatching(/D9.*D1.*-replace_drive/) });
  const moved = judgeDevice({ known: 'D1', found: 'D1', driveIndex: 1, elements: ELEMENTS });
  expect(moved).toMatchObject({ reason: expect.stringMatching(/is drive 1, on record is 2/) });
});
