// Which addresses a data connection may come from or go to. NDMP data connections know no login, so this is their only
// check; and a drive process that dialled any address would be its caller's way into every network that it sees.

import type { Address } from '@tapestry/contracts';
import { plainAddress } from '@tapestry/ndmp/plain-address';

/** The same host may come over either family of its loopback. */
function isLoopback(address: string): boolean {
  return address === '::1' || /^127\.[\d.]+$/.test(address);
}

/** Loopback alone is listened on alone; else all addresses, since a filer may know the host by any of them. */
export function addressToBind(bindHost: string, dataHosts: readonly string[]): string {
  if (bindHost !== '') return plainAddress(bindHost);
  const [only = ''] = dataHosts.length === 1 ? dataHosts.map(plainAddress) : [];
  // NDMP's data addresses are IPv4, so the filer will come to that one of the name's two.
  if (only === 'localhost') return '127.0.0.1';
  return isLoopback(only) ? only : '';
}

/** True when `remote` is one of the allowed addresses. An empty list allows nobody. */
export function isAllowedPeer(remote: string | undefined, allowed: readonly string[]): boolean {
  if (remote === undefined) return false;
  const asker = plainAddress(remote);
  return allowed.some((entry) => {
    const address = plainAddress(entry);
    return address === asker || (isLoopback(address) && isLoopback(asker));
  });
}

const NUMERIC = /^\d+(\.\d+){3}$|:/;

export interface DialTargets {
  /** To be tried, in the order that the data server named them. */
  readonly allowed: readonly Address[];
  readonly refused: readonly Address[];
}

/** Of what a data server says that it listens at: the addresses that are its host's own. Numbers only, no names. */
export function dialTargets(
  addresses: readonly Address[],
  allowedHosts: readonly string[],
): DialTargets {
  const isAllowed = ({ host, port }: Address): boolean =>
    NUMERIC.test(plainAddress(host)) &&
    port > 0 &&
    port < 65_536 &&
    isAllowedPeer(host, allowedHosts);
  return {
    allowed: addresses.filter((address) => isAllowed(address)),
    refused: addresses.filter((address) => !isAllowed(address)),
  };
}

/** Ports to try for a listener, beginning somewhere in the range so that streams rarely meet. 0–0 lets the system choose. */
export function portsToTry(firstPort: number, lastPort: number, start: number): number[] {
  if (firstPort === 0) return [0];
  const count = Math.max(1, lastPort - firstPort + 1);
  return Array.from({ length: count }, (_, i) => firstPort + ((start + i) % count));
}
