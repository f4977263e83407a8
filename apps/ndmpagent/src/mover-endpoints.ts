// The mover's addresses in the form that NDMP has.

import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import type { Address } from '@tapestry/contracts';
import type { TcpEndpoint } from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';

/** IPv4 numbers: NDMP has no others. Errors: 47 none of them is one. */
export async function moverEndpoints(addresses: readonly Address[]): Promise<TcpEndpoint[]> {
  const found = await Promise.all(
    addresses.map(async ({ host, port }): Promise<TcpEndpoint[]> => {
      if (isIPv4(host)) return [{ host, port, env: [] }];
      const resolved = await lookup(host, { all: true, family: 4 }).catch(() => []);
      return resolved.map(({ address }) => ({ host: address, port, env: [] }));
    }),
  );
  const endpoints = found.flat();
  if (endpoints.length > 0) return endpoints;
  const names = addresses.map(({ host }) => host).join(', ');
  throw new StatusError(
    'hostUnreachable',
    `none of this media server's data addresses (${names}) is an IPv4 address: set BPTM_DATA_HOST`,
  );
}
