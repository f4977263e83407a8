// Over which family of addresses the data go. NDMP writes down IPv4; IPv6 is an extension of its version 4 that has to be
// agreed on (docs/adr/0019), so a filer is asked for it only where it is needed.

import type { TcpEndpoint } from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';

export type DataFamily = 'tcp' | 'tcp6';

export interface FamilyFacts {
  /** Of the filer's control connection. */
  readonly isReachedOverIpv6: boolean;
  /** Where our mover can be reached. */
  readonly movers: readonly TcpEndpoint[];
}

/** End points have numbers, no names. */
const isIpv6 = ({ host }: TcpEndpoint): boolean => host.includes(':');

/** IPv6 where the filer was reached over it and the mover has such an address, and where the mover has no other. */
export function familyWanted({ isReachedOverIpv6, movers }: FamilyFacts): DataFamily {
  const six = movers.filter(isIpv6).length;
  const isOnlyOne = six === movers.length;
  return six > 0 && (isReachedOverIpv6 || isOnlyOne) ? 'tcp6' : 'tcp';
}

/** The mover's addresses of that family. Error: 47 the filer takes IPv4 alone, and there is none. */
export function endpointsOfFamily(
  movers: readonly TcpEndpoint[],
  family: DataFamily,
  { host, version }: { readonly host: string; readonly version: number },
): TcpEndpoint[] {
  const found = movers.filter((mover) => isIpv6(mover) === (family === 'tcp6'));
  if (found.length > 0) return found;
  const names = movers.map((mover) => mover.host).join(', ');
  const why = version < 4 ? `it speaks NDMP version ${version}` : 'it has no extension for IPv6';
  throw new StatusError(
    'hostUnreachable',
    `${host} takes data connections over IPv4 alone (${why}), and this media server has only IPv6 ` +
      `data addresses (${names}): name an IPv4 address, too, in BPTM_DATA_HOST`,
    { reason: 'moverUnreachable' },
  );
}
