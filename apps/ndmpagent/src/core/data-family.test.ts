import { expect, test } from 'vitest';
import { endpointsOfFamily, familyWanted } from './data-family.ts';

const four = { host: '10.0.0.7', port: 1, env: [] };
const six = { host: 'fd00::7', port: 1, env: [] };
const filer = { host: 'filer', version: 4 };

test.each([
  ['over IPv4, the mover has both', false, [four, six], 'tcp'],
  ['over IPv6, the mover has both', true, [four, six], 'tcp6'],
  ['over IPv6, the mover has IPv4 alone', true, [four], 'tcp'],
  ['over IPv4, the mover has IPv6 alone', false, [six], 'tcp6'],
  ['over IPv6, the mover has IPv6 alone', true, [six], 'tcp6'],
] as const)('the filer was reached %s', (_how, isReachedOverIpv6, movers, family) => {
  expect(familyWanted({ isReachedOverIpv6, movers })).toBe(family);
});

test('addresses of one family go to the filer, in their order', () => {
  const other = { ...four, host: '10.0.0.8' };
  expect(endpointsOfFamily([four, six, other], 'tcp', filer)).toEqual([four, other]);
  expect(endpointsOfFamily([four, six, other], 'tcp6', filer)).toEqual([six]);
});

test.each([
  [4, 'it has no extension for IPv6'],
  [3, 'it speaks NDMP version 3'],
])('a filer of IPv4 alone and a mover without: version %i', (version, why) => {
  expect(() => endpointsOfFamily([six], 'tcp', { ...filer, version })).toThrow(
    `filer takes data connections over IPv4 alone (${why}), and this media server has only IPv6 data addresses (fd00::7)`,
  );
});
