import type { VolumeRow } from '@tapestry/contracts';
import type { LibraryElement } from '@tapestry/storage';
import { expect, test } from 'vitest';
import { chooseCleaner, neverCleaned, whyDue } from './cleaning.ts';
import { judgeAlerts } from './tape-alert.ts';

const volume = (mediaId: string, cleanings: number, mediaType = 'HCART_CLN'): VolumeRow =>
  ({ volume: { mediaId, barcode: mediaId, density: 'hcart' }, mediaType, cleanings }) as VolumeRow;
const slot = (index: number, barcode: string, medium?: 'data' | 'cleaning'): LibraryElement => ({
  ...{ address: 1000 + index, type: 'slot', index, barcode, full: true, sourceAddress: null },
  ...{ accessible: true, driveSerial: null, medium: medium ?? null },
});

test('a drive is due when it asks, or was used for long enough', () => {
  const never = neverCleaned('d0');
  expect(whyDue({ ...never, usedMs: 1e12 })).toBe('');
  expect(whyDue({ ...never, wanted: 'TapeAlert 20' })).toBe('TapeAlert 20');
  const often = { ...never, frequencyHours: 2 };
  expect(whyDue({ ...often, usedMs: 7_199_999 })).toBe('');
  expect(whyDue({ ...often, usedMs: 7_200_000 })).toBe('used for 2 hours');
});

test('a cartridge that cleans, has cleanings left, is of the density and in a slot', () => {
  const slots = [slot(0, 'CLN001', 'cleaning'), slot(1, 'CLN002', 'data'), slot(2, 'CLN003')];
  const volumes = [
    volume('CLN001', 9),
    volume('CLN002', 1),
    volume('CLN003', 3),
    volume('CLN004', 2),
  ];
  expect(chooseCleaner(volumes, slots, 'hcart')?.mediaId).toBe('CLN003');
  expect(chooseCleaner(volumes, slots, 'dlt')).toBeUndefined();
  expect(
    chooseCleaner([volume('CLN001', 0), volume('CLN003', 5, 'HCART')], slots, 'hcart'),
  ).toBeUndefined();
});

test('flags of a drive blame the volume, the drive, or ask for a cleaning', () => {
  expect(judgeAlerts([6])).toMatchObject({ condemnsMedium: true, downsDrive: false });
  expect(judgeAlerts([30])).toMatchObject({ condemnsMedium: false, downsDrive: true });
  expect(judgeAlerts([3, 20])).toMatchObject({
    ...{ condemnsMedium: false, downsDrive: false, wantsCleaning: true },
    text: 'TapeAlert 3, 20',
  });
});
