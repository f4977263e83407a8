import { expect, test } from 'vitest';
import { isAllowedPeer, plainAddress, portsToTry } from './peers.ts';

test.each([
  ['::ffff:10.0.0.5', '10.0.0.5'],
  ['FE80::1%eth0', 'fe80::1'],
  ['10.0.0.5', '10.0.0.5'],
])('%s is written %s', (address, plain) => {
  expect(plainAddress(address)).toBe(plain);
});

test.each([
  ['::ffff:10.0.0.5', ['10.0.0.5'], true],
  ['127.0.0.1', ['::1'], true],
  ['10.0.0.6', ['10.0.0.5'], false],
  ['10.0.0.5', [], false],
  [undefined, ['10.0.0.5'], false],
  ['10.0.0.50', ['10.0.0.5'], false],
])('%s from %j is allowed: %s', (remote, allowed, expected) => {
  expect(isAllowedPeer(remote, allowed)).toBe(expected);
});

test('the port range is gone through once, from anywhere in it', () => {
  expect(portsToTry(0, 0, 5)).toEqual([0]);
  expect(portsToTry(5000, 5003, 6)).toEqual([5002, 5003, 5000, 5001]);
});
