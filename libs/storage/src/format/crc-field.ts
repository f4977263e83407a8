// CRC-32 of a block whose checksum field was zero when it was summed, and is filled now, without reading it again.
// CRC-32 is affine: changing some bits of a message changes the sum by an amount that depends only on which bits, and
// how many bytes follow them. So one pass over the data gives both the block's own checksum and the drive's.

import { crc32 } from 'node:zlib';

/** Per distance to the end of the block: what each bit of the field, from the highest, adds to the sum. */
const cache = new Map<number, Uint32Array>();

/** Blocks come in one or two sizes; header blocks in a few more. */
const CACHE_SIZES_MAX = 64;

/** `zeroCrc`: the sum with the field zero. `field`: its new value, big-endian. `bytesBehind`: bytes behind the field. */
export function crcOfFilledField(zeroCrc: number, field: number, bytesBehind: number): number {
  const table = effectsOf(bytesBehind);
  let crc = zeroCrc;
  for (let bit = 0; bit < 32; bit++) {
    if ((field & (0x8000_0000 >>> bit)) !== 0) crc ^= table[bit] as number;
  }
  return crc >>> 0;
}

function effectsOf(bytesBehind: number): Uint32Array {
  const known = cache.get(bytesBehind);
  if (known) return known;
  const table = new Uint32Array(32);
  const message = Buffer.alloc(4 + bytesBehind);
  const plain = crc32(message);
  for (let bit = 0; bit < 32; bit++) {
    message.writeUInt32BE(0x8000_0000 >>> bit, 0);
    table[bit] = crc32(message) ^ plain;
  }
  if (cache.size >= CACHE_SIZES_MAX) cache.clear();
  cache.set(bytesBehind, table);
  return table;
}
