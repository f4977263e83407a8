// The addresses from which a filer's data connection may come: those of its NDMP host, as nbemm and the resolver know it.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Client } from '@tapestry/bus';
import { plainAddress } from '@tapestry/ndmp/plain-address';
import { StatusError } from '@tapestry/status';

/** Errors: 25, 41 nbemm does not answer; 47 the name cannot be resolved. */
export async function peersOf(
  ndmpHost: string,
  nbemm: Client<'nbemm'>,
  signal: AbortSignal,
): Promise<string[]> {
  const { hosts } = await nbemm.ListNdmpHosts({ name: ndmpHost }, { signal });
  const row = hosts.find(({ name }) => name === ndmpHost);
  return resolve(row !== undefined && row.address !== '' ? row.address : ndmpHost);
}

/** All addresses of a name; an address is its own, also in brackets. */
export async function resolve(nameOrAddress: string): Promise<string[]> {
  const address = plainAddress(nameOrAddress);
  if (isIP(address) !== 0) return [address];
  try {
    const found = await lookup(nameOrAddress, { all: true });
    return found.map(({ address }) => address);
  } catch (cause) {
    throw new StatusError(
      'hostUnreachable',
      `the name ${nameOrAddress} of the NDMP host cannot be resolved on this media server`,
      {},
      { cause },
    );
  }
}
