// Which addresses a data connection may come from. NDMP data connections know no login, so this is their only check.

/** One spelling for one address: `::ffff:10.0.0.5` is 10.0.0.5, and a zone is no part of it. */
export function plainAddress(address: string): string {
  const bare = address.toLowerCase().replace(/%.*$/, '');
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(bare);
  return mapped?.[1] ?? bare;
}

/** The same host may come over either family of its loopback. */
function isLoopback(address: string): boolean {
  return address === '::1' || address.startsWith('127.');
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

/** Ports to try for a listener, beginning somewhere in the range so that streams rarely meet. 0–0 lets the system choose. */
export function portsToTry(firstPort: number, lastPort: number, start: number): number[] {
  if (firstPort === 0) return [0];
  const count = Math.max(1, lastPort - firstPort + 1);
  return Array.from({ length: count }, (_, i) => firstPort + ((start + i) % count));
}
