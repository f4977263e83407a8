import { expect, test } from 'vitest';
import { dataHost } from './data-host.ts';

test.each([
  ['127.0.0.5', '127.0.0.5'],
  ['::ffff:127.0.0.9', '127.0.0.9'],
  ['::1', '127.0.0.1'],
  [undefined, '127.0.0.1'],
])('%s is announced as %s', (local, announced) => expect(dataHost(local)).toBe(announced));

test('an IPv6 address of no interface here still gives an IPv4 one', () => {
  expect(dataHost('2001:db8::1')).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
});
