// The addresses of this host for data connections, one of each family: NDMP writes down IPv6 addresses only for DMAs
// that agreed on it, whatever the control connection itself came over.

import { type NetworkInterfaceInfo, networkInterfaces } from 'node:os';
import { plainAddress } from '@tapestry/ndmp/plain-address';

export interface DataHosts {
  readonly ipv4: string;
  /** Undefined where this host has none that a peer could use. */
  readonly ipv6: string | undefined;
}

/**
 * Where the control connection arrived is the one address that the DMA is known to reach; for the other family, its
 * neighbour on the same interface, or else any.
 */
export function dataHosts(localAddress: string | undefined): DataHosts {
  const own = plainAddress(localAddress ?? '127.0.0.1');
  const interfaces = Object.values(networkInterfaces()).map((each) => each ?? []);
  const isOwn = ({ address, internal }: NetworkInterfaceInfo): boolean =>
    isLoopback(own) ? internal : plainAddress(address) === own;
  const beside = interfaces.find((each) => each.some(isOwn)) ?? [];
  const others = interfaces.flat().filter(({ internal }) => !internal);
  const first = (family: string): string | undefined =>
    [...beside, ...others].find((each) => each.family === family && !isLinkLocal(each.address))
      ?.address;
  if (!own.includes(':')) return { ipv4: own, ipv6: first('IPv6') };
  return { ipv4: first('IPv4') ?? '127.0.0.1', ipv6: isLinkLocal(own) ? first('IPv6') : own };
}

/** An address that means another place on every link, which no message can name. */
function isLinkLocal(address: string): boolean {
  return /^fe[89ab]/i.test(address);
}

function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
}
