// Where data connections may go: an authenticated DMA names the address, and a server that dialled any
// would be its way into every network that the server sees.

import { BlockList, isIP } from 'node:net';

export class PeerPolicy {
  readonly #allowed = new BlockList();
  readonly #isOpen: boolean;

  /** Networks as ADDRESS/BITS or single addresses; none of them allows every address. */
  constructor(networks: readonly string[]) {
    this.#isOpen = networks.length === 0;
    for (const network of networks) {
      const [address = '', bits] = network.split('/');
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4';
      if (bits === undefined) this.#allowed.addAddress(address, family);
      else this.#allowed.addSubnet(address, Number(bits), family);
    }
  }

  allows(host: string): boolean {
    if (this.#isOpen) return true;
    const kind = isIP(host);
    return kind !== 0 && this.#allowed.check(host, kind === 6 ? 'ipv6' : 'ipv4');
  }
}

/** For the check of a command line. */
export function isNetwork(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/');
  const kind = isIP(address);
  if (kind === 0 || rest.length > 0) return false;
  return bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (kind === 6 ? 128 : 32));
}
