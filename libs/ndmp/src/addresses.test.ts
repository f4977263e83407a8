import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addressV2, addressV3, addressV4, isUsable, tcpAddress } from './addresses.ts';
import { ADDR_TYPE } from './constants.ts';
import { encodeRequest } from './envelope.ts';
import { XdrReader, XdrWriter } from './xdr.ts';

const endpoint = (host: string) => ({ host, port: 10_000, env: [] });

test('an IPv6 address, byte for byte as other implementations have it', () => {
  const address = {
    type: 'tcp6' as const,
    endpoints: [{ ...endpoint('2001:db8::42'), env: [{ name: 'A', value: '' }] }],
  };
  const stamp = { version: 4 as const, sequence: 1, timeStamp: 0 };
  const body = encodeRequest(stamp, 'dataConnect', { address }).subarray(28).toString('hex');
  expect(body).toBe(
    ['20510004 00000001', '20010db8 00000000 00000000 00000042', '00002710']
      .concat('00000001 00000001 41000000 00000000')
      .join('')
      .replaceAll(' ', ''),
  );
});

test('any sixteen bytes come back, through the text that people read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), fc.nat(65_535), (bytes, port) => {
      const writer = new XdrWriter();
      writer.i32(ADDR_TYPE.tcp6);
      writer.u32(1);
      writer.fixed(bytes);
      writer.u32(port);
      writer.u32(0);
      const wire = Buffer.from(writer.finish());
      const address = addressV4.decode(new XdrReader(wire));
      expect(address).toMatchObject({ type: 'tcp6', endpoints: [{ port }] });
      const again = new XdrWriter();
      addressV4.encode(again, address);
      expect(again.finish()).toEqual(wire);
    }),
  );
});

test.each(['10.0.0.1', 'filer', '', ':::', '1:2'])('%s is no IPv6 address', (host) => {
  const address = { type: 'tcp6' as const, endpoints: [endpoint(host)] };
  expect(() => addressV4.encode(new XdrWriter(), address)).toThrow(/not an IPv6 address/);
});

test.each([addressV2, addressV3])('an older version has no word for it (%#)', (codec) => {
  const bytes = Buffer.alloc(32);
  bytes.writeInt32BE(ADDR_TYPE.tcp6);
  expect(codec.decode(new XdrReader(bytes))).toEqual({
    type: 'unknown',
    addrType: ADDR_TYPE.tcp6,
  });
});

test.each([
  ['10.0.0.5', 'tcp', '10.0.0.5'],
  ['::ffff:10.0.0.5', 'tcp', '10.0.0.5'],
  ['FE80::1%eth0', 'tcp6', 'fe80::1'],
  ['2001:DB8:0:0::1', 'tcp6', '2001:db8::1'],
])('what a socket calls %s is %s %s', (host, type, plain) => {
  expect(tcpAddress(host, 10_000)).toEqual({ type, endpoints: [endpoint(plain)] });
});

test('an address is usable with end points and where its type is', () => {
  const six = tcpAddress('::1', 1);
  const { local, tcp, tcp6 } = ADDR_TYPE;
  expect(isUsable(six, [tcp6])).toBe(true);
  expect(isUsable(six, [local, tcp])).toBe(false);
  expect(isUsable(tcpAddress('10.0.0.1', 1), [tcp6])).toBe(false);
  expect(isUsable({ type: 'tcp6', endpoints: [] }, [tcp6])).toBe(false);
  expect(isUsable({ type: 'unknown', addrType: tcp6 }, [tcp6])).toBe(false);
});
