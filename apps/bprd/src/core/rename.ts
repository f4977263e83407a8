// `change A to B`: where a restored file goes. Rules are tried in order on the path as the catalog has it; the first
// whose A is the path, or a folder above it, decides. Paths are bytes: a filer's names need not be UTF-8.

import type { Rename } from '@tapestry/contracts';

const SLASH = 0x2f;

export function renamed(path: Uint8Array, renames: readonly Rename[]): Uint8Array {
  for (const { from, to } of renames) {
    const begin = withoutEndSlash(from);
    if (!isAtOrAbove(begin, path)) continue;
    const rest = path.subarray(begin.length);
    const target = withoutEndSlash(to);
    const whole = Buffer.concat([target, rest]);
    return whole.length === 0 ? Buffer.from('/') : whole;
  }
  return path;
}

/** The root is the empty beginning of every path. */
function withoutEndSlash(path: Uint8Array): Uint8Array {
  let end = path.length;
  while (end > 0 && path[end - 1] === SLASH) end -= 1;
  return path.subarray(0, end);
}

function isAtOrAbove(folder: Uint8Array, path: Uint8Array): boolean {
  if (path.length < folder.length) return false;
  if (Buffer.compare(folder, path.subarray(0, folder.length)) !== 0) return false;
  return path.length === folder.length || path[folder.length] === SLASH;
}
