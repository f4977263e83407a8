// Data that lies in several buffers, cut without being copied.

export function totalBytes(parts: readonly Uint8Array[]): number {
  return parts.reduce((sum, part) => sum + part.length, 0);
}

/** Views of `lengthBytes` bytes from `offset` on; the caller stays within the parts. */
export function sliceParts(
  parts: readonly Uint8Array[],
  offset: number,
  lengthBytes: number,
): Uint8Array[] {
  const slices: Uint8Array[] = [];
  let skip = offset;
  let left = lengthBytes;
  for (const part of parts) {
    if (left === 0) break;
    if (skip >= part.length) {
      skip -= part.length;
      continue;
    }
    const slice = part.subarray(skip, skip + left);
    slices.push(slice);
    left -= slice.length;
    skip = 0;
  }
  return slices;
}
