import { networkInterfaces } from 'node:os';
import { expect, test } from 'vitest';
import { dataHosts } from './data-host.ts';

const hasIpv6 = Object.values(networkInterfaces())
  .flat()
  .some((each) => each?.address === '::1');
const six = hasIpv6 ? '::1' : undefined;

test.each([
  ['127.0.0.5', { ipv4: '127.0.0.5' }],
  ['::ffff:127.0.0.9', { ipv4: '127.0.0.9' }],
  ['::1', { ipv4: '127.0.0.1', ipv6: '::1' }],
  [undefined, { ipv4: '127.0.0.1' }],
])('%s is announced as %j', (local, announced) => {
  expect(dataHosts(local)).toEqual({ ipv6: six, ...announced });
});

test('an IPv6 address of no interface here still gives an IPv4 one', () => {
  const { ipv4, ipv6 } = dataHosts('2001:db8::1');
  expect(ipv4).toMatch(/^\d+\.\d+\.\d+\.\d+$/);
  expect(ipv6).toBe('2001:db8::1');
});

test.each(['fe80::1%eth0', '192.0.2.1', 'fe80::2'])('no peer of %s is sent to a link', (local) => {
  expect(dataHosts(local).ipv6 ?? '').not.toMatch(/^fe80/);
});
