import { expect, test } from 'vitest';
import { config } from './config.ts';

test('addresses are written plainly, whatever they were given as', () => {
  expect(config.parse({ dataHost: 'Media1, [2001:DB8::1],::ffff:10.0.0.5' }).dataHost).toEqual([
    ...['media1', '2001:db8::1', '10.0.0.5'],
  ]);
  expect(config.parse({ extraPeers: ' [::FFFF:0A00:0006], fe80::1%eth0 ' }).extraPeers).toEqual([
    ...['10.0.0.6', 'fe80::1'],
  ]);
  expect(config.parse({})).toMatchObject({ dataHost: ['127.0.0.1'], extraPeers: [] });
});

test.each([
  { dataHost: 'media1:10100' },
  { dataHost: '10.0.0.5/24' },
  // It would be compared with addresses, and never be one.
  { extraPeers: 'filer2' },
  { extraPeers: '10.0.0.256' },
])('%j is refused', (values) => {
  expect(config.safeParse(values).success).toBe(false);
});
