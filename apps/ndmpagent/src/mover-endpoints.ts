// The mover's addresses in the form that NDMP has.

import { lookup } from 'node:dns/promises';
import { isIP } from 'node:net';
import type { Address } from '@tapestry/contracts';
import type { TcpEndpoint } from '@tapestry/ndmp';
import { plainAddress } from '@tapestry/ndmp/plain-address';
import { StatusError } from '@tapestry/status';

/** Numbers of both families, in the order of the addresses; names that nobody knows are left out. */
export async function knownEndpoints(addresses: readonly Address[]): Promise<TcpEndpoint[]> {
  const found = await Promise.all(
    addresses.map(async ({ host, port }): Promise<TcpEndpoint[]> => {
      if (isIP(host) !== 0) return [{ host: plainAddress(host), port, env: [] }];
      const resolved = await lookup(host, { all: true }).catch(() => []);
      return resolved.map(({ address }) => ({ host: address, port, env: [] }));
    }),
  );
  return found.flat();
}

/** For a filer that is to connect to one of them. Errors: 47 none is known. */
export async function moverEndpoints(addresses: readonly Address[]): Promise<TcpEndpoint[]> {
  const endpoints = await knownEndpoints(addresses);
  if (endpoints.length > 0) return endpoints;
  const names = addresses.map(({ host }) => host).join(', ');
  throw new StatusError(
    'hostUnreachable',
    `none of this media server's data addresses (${names}) is known here: set BPTM_DATA_HOST`,
  );
}
