// The address of this host for data connections. NDMP can only write down IPv4 addresses, also where the control
// connection itself came over IPv6.

import { networkInterfaces } from 'node:os';

/** Where the control connection arrived is the one address that the DMA is known to reach. */
export function dataHost(localAddress: string | undefined): string {
  const address = (localAddress ?? '127.0.0.1').replace(/^::ffff:/, '');
  if (!address.includes(':')) return address;
  const all = Object.values(networkInterfaces()).flatMap((each) => each ?? []);
  const isSame = (each: { address: string }): boolean => each.address === address.split('%')[0];
  const name = Object.entries(networkInterfaces()).find(([, each]) => each?.some(isSame))?.[0];
  const beside = name === undefined ? [] : (networkInterfaces()[name] ?? []);
  const found = [...beside, ...all.filter(({ internal }) => !internal)].find(
    ({ family }) => family === 'IPv4',
  );
  return found?.address ?? '127.0.0.1';
}
