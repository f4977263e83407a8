import fc from 'fast-check';
import { expect, test } from 'vitest';
import { checkIdRule, mediaIdOf } from './media-id.ts';

test('without a rule the last six signs are the media id, of an LTO label the first six', () => {
  expect(mediaIdOf('TL800001')).toBe('800001');
  expect(mediaIdOf('A00001L8')).toBe('A00001');
  expect(mediaIdOf(' cln001 ')).toBe('CLN001');
  expect(mediaIdOf('AB1')).toBe('AB1');
  expect(mediaIdOf('')).toBeUndefined();
  expect(mediaIdOf('A-1')).toBeUndefined();
});

test('a rule takes signs by their place and puts others in, for its robot and length alone', () => {
  const rules = [
    { robotNumber: 0, barcodeLength: 8, rule: '1:2:3:4:7:8' },
    { robotNumber: 1, barcodeLength: 8, rule: '#N:2:3:4:5:6' },
  ];
  expect(mediaIdOf('S00006L1', rules, 0)).toBe('S000L1');
  expect(mediaIdOf('s00006l1', rules, 1)).toBe('N00006');
  expect(mediaIdOf('S00006L1', rules, 2)).toBe('S00006');
  expect(mediaIdOf('S0006L1', rules, 0)).toBe('0006L1');
});

test('a rule that cannot make a media id is refused', () => {
  const check = (rule: string) => () => checkIdRule({ robotNumber: 0, barcodeLength: 6, rule });
  expect(check('1:2:3:4:5:6')).not.toThrow();
  expect(check('1:2:3:4:5:6:1')).toThrow(/171/);
  for (const rule of ['', '0', '7', '#', '#AB', '1:', '1-2', '#-']) {
    expect(check(rule)).toThrow(/223/);
  }
});

test('whatever the barcode, a media id is one to six letters and digits', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 20 }), (barcode) => {
      const mediaId = mediaIdOf(barcode);
      expect(mediaId ?? 'NONE').toMatch(/^[A-Z0-9]{1,6}$/);
    }),
  );
});
