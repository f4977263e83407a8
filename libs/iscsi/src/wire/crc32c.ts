// CRC32C (Castagnoli), the digest of iSCSI headers and data: eight bytes a step from eight tables.

const POLYNOMIAL = 0x82f6_3b78;
const TABLES = makeTables();

function makeTables(): Int32Array {
  const tables = new Int32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ POLYNOMIAL : crc >>> 1;
    tables[byte] = crc;
  }
  for (let byte = 0; byte < 256; byte++) {
    let crc = tables[byte] ?? 0;
    for (let slice = 1; slice < 8; slice++) {
      crc = (tables[crc & 0xff] ?? 0) ^ (crc >>> 8);
      tables[slice * 256 + byte] = crc;
    }
  }
  return tables;
}

/** What a running sum starts from. */
export const CRC32C_START = -1;

/** The running sum over more bytes; `crc32cFinish` makes a digest of it. */
export function crc32cAdd(running: number, bytes: Uint8Array): number {
  const tables = TABLES;
  const stop = bytes.length - 7;
  let crc = running;
  let at = 0;
  // Every index is in bounds by construction, which the compiler cannot know.
  for (; at < stop; at += 8) {
    crc ^= word(bytes, at);
    const next = word(bytes, at + 4);
    crc =
      ((tables[1792 + (crc & 0xff)] as number) ^
        (tables[1536 + ((crc >>> 8) & 0xff)] as number) ^
        (tables[1280 + ((crc >>> 16) & 0xff)] as number) ^
        (tables[1024 + (crc >>> 24)] as number) ^
        (tables[768 + (next & 0xff)] as number) ^
        (tables[512 + ((next >>> 8) & 0xff)] as number) ^
        (tables[256 + ((next >>> 16) & 0xff)] as number) ^
        (tables[next >>> 24] as number)) |
      0;
  }
  for (; at < bytes.length; at++) {
    crc = (tables[(crc ^ (bytes[at] as number)) & 0xff] as number) ^ (crc >>> 8);
  }
  return crc;
}

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

export function crc32cFinish(running: number): number {
  return ~running >>> 0;
}

/** The digest of the parts, one behind the other. On the wire its lowest byte comes first. */
export function crc32c(parts: readonly Uint8Array[]): number {
  let running = CRC32C_START;
  for (const part of parts) running = crc32cAdd(running, part);
  return crc32cFinish(running);
}
