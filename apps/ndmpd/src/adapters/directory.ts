// Directories held open, so that work below them goes by descriptor and single name. A data process
// makes the directory it works in its working directory (through /proc/self/fd, since Node has no
// fchdir) and uses bare names there: Linux's openat for a runtime that has none, without walking a path
// for every call. No symbolic link is ever followed on the way down, so nothing that happens in a tree
// can lead outside its export.

import { closeSync, constants, openSync, readFileSync } from 'node:fs';

const OPEN_DIRECTORY = constants.O_RDONLY | constants.O_DIRECTORY | constants.O_NOFOLLOW;
/** For reading; neither follows a link nor waits for anybody at the other end. */
export const OPEN_FILE: number = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
const NON_ASCII = /[\x80-\xff]/;

export interface Directory {
  readonly fd: number;
}

/** The descriptor that the working directory was taken from; closed ones never stay here. */
let entered = -1;

/** Opens an export's own directory; its path is the administrator's and may hold links. */
export function openRoot(path: string): Directory {
  return { fd: openSync(path, constants.O_RDONLY | constants.O_DIRECTORY) };
}

/** Opens a subdirectory. ENOTDIR or ELOOP when it is anything else, a link included. */
export function openBelow(parent: Directory, name: Buffer | string): Directory {
  return { fd: openSync(nameIn(parent, name), OPEN_DIRECTORY) };
}

/** Opens the directory at the end of `components`, closing what lies between. */
export function openAt(root: Directory, components: readonly Buffer[]): Directory {
  let current = openBelow(root, '.');
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

/**
 * The name as a path for one system call made right now: any later call of this function may change the
 * working directory that the name is looked up in.
 */
export function nameIn<N extends Buffer | string>(directory: Directory, name: N): N {
  if (entered !== directory.fd) {
    process.chdir(`/proc/self/fd/${directory.fd}`);
    entered = directory.fd;
  }
  return name;
}

/** A latin1 string as a path. Node encodes strings as UTF-8: only ASCII ones may go as they are. */
export function pathOf(name: string): Buffer | string {
  return NON_ASCII.test(name) ? Buffer.from(name, 'latin1') : name;
}

/** A path that another process of this user can use while the directory is open. */
export function remotePath(directory: Directory): string {
  return `/proc/${process.pid}/fd/${directory.fd}`;
}

export function closeDirectory(directory: Directory): void {
  if (entered === directory.fd) entered = -1;
  closeSync(directory.fd);
}

/** Which mount an open file lies on; differs below a bind mount of the same file system, too. */
export function mountOf(fd: number): number {
  const facts = readFileSync(`/proc/self/fdinfo/${fd}`, 'latin1');
  return Number(/^mnt_id:\s*(\d+)$/m.exec(facts)?.[1] ?? -1);
}

/** The errno name of a failed call, for messages and decisions. */
export function errorCode(error: unknown): string {
  const code = error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
  return code ?? 'UNKNOWN';
}
