// Directories held open, so that work below them goes by descriptor and name: /proc/self/fd/N/name is
// Linux's openat for a runtime that has none. No symbolic link is ever followed on the way down, so
// nothing that happens in a tree can lead outside its export.

import { closeSync, constants, openSync } from 'node:fs';

const OPEN_DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;

export interface Directory {
  readonly fd: number;
  /** "/proc/self/fd/N/": put a single name behind it. */
  readonly prefix: Buffer;
}

/** Opens an export's own directory; its path is the administrator's and may hold links. */
export function openRoot(path: string): Directory {
  return fromFd(openSync(path, constants.O_RDONLY | constants.O_DIRECTORY));
}

/** Opens a subdirectory. ENOTDIR or ELOOP when it is anything else, a link included. */
export function openBelow(parent: Directory, name: Buffer): Directory {
  return fromFd(openSync(pathIn(parent, name), OPEN_DIRECTORY));
}

/** Opens the directory at the end of `components`, closing what lies between. */
export function openAt(root: Directory, components: readonly Buffer[]): Directory {
  let current = openBelow(root, Buffer.from('.'));
  for (const name of components) {
    const parent = current;
    try {
      current = openBelow(parent, name);
    } finally {
      closeDirectory(parent);
    }
  }
  return current;
}

export function pathIn(directory: Directory, name: Buffer): Buffer {
  return Buffer.concat([directory.prefix, name]);
}

export function closeDirectory(directory: Directory): void {
  closeSync(directory.fd);
}

function fromFd(fd: number): Directory {
  return { fd, prefix: Buffer.from(`/proc/self/fd/${fd}/`) };
}

/** The errno name of a failed call, for messages and decisions. */
export function errorCode(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code ?? 'UNKNOWN';
}
