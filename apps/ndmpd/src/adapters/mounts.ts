// The mount point policy of a backup: it stays on the mount that its root lies on. Other file systems
// are told by their device number, bind mounts of the same one by the mount's own number.

import { type BigIntStats, readFileSync, readlinkSync } from 'node:fs';
import { type Directory, mountOf } from './directory.ts';

export class MountPolicy {
  readonly #device: bigint;
  /** Undefined when nothing is mounted below the root: then devices tell enough. */
  readonly #mount: number | undefined;

  constructor(root: Directory, stats: BigIntStats) {
    this.#device = stats.dev;
    this.#mount = hasMountsBelow(root) ? mountOf(root.fd) : undefined;
  }

  allows(directory: Directory, stats: BigIntStats): boolean {
    return stats.dev === this.#device && this.allowsFile(directory.fd);
  }

  /** For files, too, may be mounted on. Their devices tell nothing: overlays show those of their layers. */
  allowsFile(fd: number): boolean {
    return this.#mount === undefined || mountOf(fd) === this.#mount;
  }

  /** The same of a mount's number; not where it is unknown and would matter. */
  allowsMount(mount: number | undefined): boolean {
    return this.#mount === undefined || mount === this.#mount;
  }
}

function hasMountsBelow(root: Directory): boolean {
  try {
    const path = readlinkSync(`/proc/self/fd/${root.fd}`, 'latin1');
    const above = path === '/' ? '/' : `${path}/`;
    const points = readFileSync('/proc/self/mountinfo', 'latin1').split('\n');
    return points.some((line) => unescaped(line.split(' ')[4] ?? '').startsWith(above));
  } catch {
    return true; // then look at every directory
  }
}

/** Blanks and their like are written as \040. */
function unescaped(text: string): string {
  return text.replace(/\\(\d{3})/g, (_, octal: string) => String.fromCharCode(parseInt(octal, 8)));
}
