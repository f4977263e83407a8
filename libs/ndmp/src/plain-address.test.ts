import { expect, test } from 'vitest';
import { plainAddress } from './plain-address.ts';

test.each([
  ['::ffff:10.0.0.5', '10.0.0.5'],
  ['FE80::1%eth0', 'fe80::1'],
  ['10.0.0.5', '10.0.0.5'],
  ['[10.0.0.5]', '10.0.0.5'],
  ['::FFFF:0A00:0005', '10.0.0.5'],
  ['0:0:0:0:0:ffff:10.0.0.5', '10.0.0.5'],
  ['[::ffff:255.255.255.255]', '255.255.255.255'],
  ['[2001:DB8:0:0:0:0:0:1]', '2001:db8::1'],
  ['2001:db8:0::00a', '2001:db8::a'],
  ['[fe80::1%25eth0]', 'fe80::1'],
  // An IPv4 address that only looks mapped is another host.
  ['::fffe:a00:5', '::fffe:a00:5'],
  ['::10.0.0.5', '::a00:5'],
  ['Filer.Example', 'filer.example'],
  ['filer:10000', 'filer:10000'],
  ['dead:beef', 'dead:beef'],
])('%s is written %s', (address, plain) => {
  expect(plainAddress(address)).toBe(plain);
});
