// Addresses of data connections, as values and on the wire. The core protocol can write down IPv4 alone;
// IPv6 is the extension of class 0x2051, which NetApp's filers and their DMAs speak in v4 (ADR 0019).

import { array, type Codec, fixed, mapped, opaque, struct, u32 } from './codec.ts';
import { ADDR_TYPE } from './constants.ts';
import { plainAddress } from './plain-address.ts';
import { type Pval, pval } from './structures.ts';
import { XdrError, type XdrReader, type XdrWriter } from './xdr.ts';

/** An end point of a data connection. */
export interface TcpEndpoint {
  /** An IPv4 address in a `tcp` address, an IPv6 address in a `tcp6` one. */
  host: string;
  port: number;
  /** v4 only; carries vendor data that must travel with the address. */
  env: Pval[];
}

export type NdmpAddress =
  | { type: 'local' }
  | { type: 'tcp'; endpoints: TcpEndpoint[] }
  /** v4 only, and only with who speaks the extension. */
  | { type: 'tcp6'; endpoints: TcpEndpoint[] }
  | { type: 'ipc'; data: Buffer }
  /** v3 only. */
  | { type: 'fc'; loopId: number }
  | { type: 'unknown'; addrType: number };

/** The end points of an address that has any. */
export function endpointsOf(address: NdmpAddress): TcpEndpoint[] {
  return address.type === 'tcp' || address.type === 'tcp6' ? address.endpoints : [];
}

/** True for an address that names a place to connect to, of one of these ADDR_TYPE. */
export function isUsable(address: NdmpAddress, types: readonly number[]): boolean {
  if (address.type === 'local') return types.includes(ADDR_TYPE.local);
  const isTcp = address.type === 'tcp' || address.type === 'tcp6';
  return isTcp && address.endpoints.length > 0 && types.includes(ADDR_TYPE[address.type]);
}

/** The address of one end point, in the form that its family needs. */
export function tcpAddress(host: string, port: number): NdmpAddress {
  const plain = plainAddress(host);
  const type = plain.includes(':') ? 'tcp6' : 'tcp';
  return { type, endpoints: [{ host: plain, port, env: [] }] };
}

const ipv4: Codec<string> = mapped(u32, ipv4FromNumber, numberFromIpv4);
const ipv6: Codec<string> = mapped(fixed(16), ipv6FromBytes, bytesFromIpv6);
const endpointsV4 = array(struct({ host: ipv4, port: u32, env: array(pval) }));
const endpoints6 = array(struct({ host: ipv6, port: u32, env: array(pval) }));

const endpointsV3: Codec<TcpEndpoint[]> = mapped(
  struct({ host: ipv4, port: u32 }),
  (one): TcpEndpoint[] => [{ ...one, env: [] }],
  (all) => all[0] ?? { host: '0.0.0.0', port: 0 },
);

/** What an address type carries in one version; a type without an arm is one that it cannot say. */
interface Arms {
  tcp: Codec<TcpEndpoint[]>;
  tcp6?: Codec<TcpEndpoint[]>;
  ipc?: Codec<Buffer>;
  fc?: Codec<number>;
}

export const addressV4 = addressCodec({ tcp: endpointsV4, tcp6: endpoints6, ipc: opaque });
export const addressV3 = addressCodec({ tcp: endpointsV3, ipc: opaque, fc: u32 });
/** A mover's address: LOCAL or TCP. */
export const addressV2 = addressCodec({ tcp: endpointsV3 });

function addressCodec(arms: Arms): Codec<NdmpAddress> {
  return {
    bytesMin: 4,
    encode: (writer, value) => encodeAddress(writer, value, arms),
    decode: (reader) => decodeAddress(reader, arms),
  };
}

function encodeAddress(writer: XdrWriter, value: NdmpAddress, arms: Arms): void {
  writer.i32(value.type === 'unknown' ? value.addrType : ADDR_TYPE[value.type]);
  if (value.type === 'tcp') arms.tcp.encode(writer, value.endpoints);
  if (value.type === 'tcp6') arms.tcp6?.encode(writer, value.endpoints);
  if (value.type === 'ipc') arms.ipc?.encode(writer, value.data);
  if (value.type === 'fc') arms.fc?.encode(writer, value.loopId);
}

function decodeAddress(reader: XdrReader, arms: Arms): NdmpAddress {
  const addrType = reader.i32();
  if (addrType === ADDR_TYPE.local) return { type: 'local' };
  if (addrType === ADDR_TYPE.tcp) return { type: 'tcp', endpoints: arms.tcp.decode(reader) };
  if (addrType === ADDR_TYPE.tcp6 && arms.tcp6 !== undefined) {
    return { type: 'tcp6', endpoints: arms.tcp6.decode(reader) };
  }
  if (addrType === ADDR_TYPE.ipc && arms.ipc !== undefined) {
    return { type: 'ipc', data: arms.ipc.decode(reader) };
  }
  if (addrType === ADDR_TYPE.fc && arms.fc !== undefined) {
    return { type: 'fc', loopId: arms.fc.decode(reader) };
  }
  return { type: 'unknown', addrType };
}

function ipv4FromNumber(value: number): string {
  return [24, 16, 8, 0].map((shift) => (value >>> shift) & 255).join('.');
}

function numberFromIpv4(host: string): number {
  const parts = host.split('.').map(Number);
  const valid = parts.length === 4 && parts.every((p) => Number.isInteger(p) && p >= 0 && p < 256);
  if (!valid) throw new XdrError(`not an IPv4 address: ${host}`);
  return parts.reduce((sum, part) => ((sum << 8) | part) >>> 0, 0);
}

/** An IPv4 address within IPv6 stays in its long form, which is no IPv4 address to anybody. */
function ipv6FromBytes(bytes: Buffer): string {
  const words = Array.from({ length: 8 }, (_, i) => bytes.readUInt16BE(i * 2).toString(16));
  return URL.parse(`http://[${words.join(':')}]`)?.hostname.slice(1, -1) ?? '';
}

function bytesFromIpv6(host: string): Buffer {
  const bare = host.replace(/%.*$/, '');
  const canonical = URL.parse(`http://[${bare}]`)?.hostname.slice(1, -1);
  if (canonical === undefined) throw new XdrError(`not an IPv6 address: ${host}`);
  const [head = '', tail] = canonical.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = Array.from({ length: 8 - before.length - after.length }, () => '0');
  const bytes = Buffer.alloc(16);
  for (const [i, word] of [...before, ...zeros, ...after].entries()) {
    bytes.writeUInt16BE(Number.parseInt(word, 16), i * 2);
  }
  return bytes;
}
