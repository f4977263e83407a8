import { expect, test } from 'vitest';
import { isNetwork, PeerPolicy } from './peer-policy.ts';

test('only named networks are dialled, all of them without a name', () => {
  const policy = new PeerPolicy(['10.1.0.0/16', '192.0.2.7', '2001:db8::/32']);
  const allowed = ['10.1.2.3', '192.0.2.7', '2001:db8::5', '::ffff:10.1.2.3'];
  const refused = ['10.2.0.1', '127.0.0.1', '192.0.2.8', '::1', 'localhost', ''];
  expect(allowed.filter((host) => !policy.allows(host))).toEqual([]);
  expect(refused.filter((host) => policy.allows(host))).toEqual([]);
  expect(new PeerPolicy([]).allows('127.0.0.1')).toBe(true);
});

test.each([
  ['10.0.0.0/8', true],
  ['::1', true],
  ['10.0.0.0/33', false],
  ['10.0.0/8', false],
  ['fe80::/129', false],
  ['1.2.3.4/8/8', false],
  ['host', false],
])('%s', (text, expected) => expect(isNetwork(text)).toBe(expected));
