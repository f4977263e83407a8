// One spelling for one address. Sockets, users and messages each have their own.

/**
 * No brackets, no zone, IPv6 as RFC 5952 writes it, and an IPv4 address inside IPv6 (`::ffff:10.0.0.5`, as a
 * socket of both families tells it) as itself. A name stays, in small letters.
 */
export function plainAddress(address: string): string {
  const bare = address
    .toLowerCase()
    .replace(/^\[(.*)\]$/, '$1')
    .replace(/%.*$/, '');
  if (!/^[\da-f.]*:[\da-f.:]*$/.test(bare)) return bare;
  const canonical = URL.parse(`http://[${bare}]`)?.hostname.slice(1, -1) ?? bare;
  const mapped = /^::ffff:([\da-f]+):([\da-f]+)$/.exec(canonical);
  if (mapped === null) return canonical;
  return mapped
    .slice(1)
    .map((word) => Number.parseInt(word, 16))
    .map((word) => `${word >> 8}.${word & 255}`)
    .join('.');
}
