import { expect, test } from 'vitest';
import { addressToBind, dialTargets, isAllowedPeer, portsToTry } from './peers.ts';

test.each([
  ['::ffff:10.0.0.5', ['10.0.0.5'], true],
  ['127.0.0.1', ['::1'], true],
  ['10.0.0.6', ['10.0.0.5'], false],
  ['10.0.0.5', [], false],
  [undefined, ['10.0.0.5'], false],
  ['10.0.0.50', ['10.0.0.5'], false],
  ['10.0.0.5', ['::ffff:a00:5'], true],
  ['2001:db8::1', ['[2001:DB8:0::1]'], true],
  ['2001:db8::10', ['2001:db8::1'], false],
  ['fe80::1%eth0', ['fe80::1'], true],
  ['::ffff:127.0.0.1', ['::1'], true],
  ['::1', ['::'], false],
  ['127.0.0.1', ['127.example'], false],
])('%s from %j is allowed: %s', (remote, allowed, expected) => {
  expect(isAllowedPeer(remote, allowed)).toBe(expected);
});

test.each([
  ['', ['127.0.0.1'], '127.0.0.1'],
  ['', ['127.0.0.2'], '127.0.0.2'],
  ['', ['::1'], '::1'],
  ['', ['[::1]'], '::1'],
  ['', ['::ffff:127.0.0.1'], '127.0.0.1'],
  ['', ['localhost'], '127.0.0.1'],
  ['', ['127.0.0.1', '10.0.0.5'], ''],
  ['', ['media1'], ''],
  ['', ['2001:db8::1'], ''],
  ['', [], ''],
  ['[::]', ['127.0.0.1'], '::'],
  ['10.0.0.5', ['127.0.0.1'], '10.0.0.5'],
])('asked to bind to "%s" and reached as %j, it listens on "%s"', (bindHost, hosts, expected) => {
  expect(addressToBind(bindHost, hosts)).toBe(expected);
});

test('of what a filer names, the addresses of its own host are dialled, in its order', () => {
  const at = (host: string, port = 5000) => ({ host, port });
  const named = [at('10.0.0.6'), at('::ffff:10.0.0.5'), at('10.0.0.5', 5001), at('filer'), at('')];
  const { allowed, refused } = dialTargets(named, ['10.0.0.5', 'filer']);
  expect(allowed).toEqual([named[1], named[2]]);
  expect(refused).toEqual([named[0], named[3], named[4]]);
  expect(dialTargets([at('10.0.0.5', 0), at('10.0.0.5', 65_536)], ['10.0.0.5']).allowed).toEqual(
    [],
  );
  expect(dialTargets(named, []).allowed).toEqual([]);
});

test('the port range is gone through once, from anywhere in it', () => {
  expect(portsToTry(0, 0, 5)).toEqual([0]);
  expect(portsToTry(5000, 5003, 6)).toEqual([5002, 5003, 5000, 5001]);
});
