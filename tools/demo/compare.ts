// Compares two folders as a restore must leave them: the same names, kinds, contents, links, holes, modes, owners and
// times to the nanosecond.

import {
  type BigIntStats,
  closeSync,
  lstatSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
} from 'node:fs';

export interface Comparison {
  readonly files: number;
  readonly folders: number;
  readonly others: number;
  readonly bytes: bigint;
  /** What differs, in words, at most 50. */
  readonly differences: readonly string[];
}

const DIFFERENCES_MAX = 50;
const CHUNK = 4 * 1024 * 1024;
/** A hole may come back with a block or two more on disk than it had. */
const HOLE_SLACK_BLOCKS = 64n;

export function compareTrees(expected: string, actual: string): Comparison {
  const run = new Run(expected, actual);
  run.visit(Buffer.alloc(0));
  return run.result();
}

class Run {
  readonly #expected: Buffer;
  readonly #actual: Buffer;
  readonly #differences: string[] = [];
  readonly #buffers = [Buffer.alloc(CHUNK), Buffer.alloc(CHUNK)] as const;
  /** Inode there → inode here, for files with several names. */
  readonly #links = new Map<bigint, bigint>();
  #files = 0;
  #folders = 0;
  #others = 0;
  #bytes = 0n;

  constructor(expected: string, actual: string) {
    this.#expected = Buffer.from(expected);
    this.#actual = Buffer.from(actual);
  }

  result(): Comparison {
    return {
      files: this.#files,
      folders: this.#folders,
      others: this.#others,
      bytes: this.#bytes,
      differences: this.#differences,
    };
  }

  /** `path` is the part below the roots, as bytes: names need not be text. */
  visit(path: Buffer): void {
    const [a, b] = [this.#expected, this.#actual].map((root) => Buffer.concat([root, path])) as [
      Buffer,
      Buffer,
    ];
    const want = lstatSync(a, { bigint: true });
    const have = lstatSync(b, { bigint: true, throwIfNoEntry: false });
    if (have === undefined) {
      this.#differ(path, 'is missing');
      return;
    }
    this.#compareStats(path, want, have);
    if ((want.mode & 0o170000n) !== (have.mode & 0o170000n)) return;
    if (want.isDirectory()) this.#visitFolder(path, a, b);
    else if (want.isSymbolicLink()) this.#compareLink(path, a, b);
    else if (want.isFile()) this.#compareFile(path, a, b, want, have);
    else this.#others += 1;
  }

  #visitFolder(path: Buffer, a: Buffer, b: Buffer): void {
    this.#folders += 1;
    const names = readdirSync(a, { encoding: 'buffer' });
    const extra = new Set(
      readdirSync(b, { encoding: 'buffer' }).map((name) => name.toString('latin1')),
    );
    for (const name of names) {
      extra.delete(name.toString('latin1'));
      this.visit(Buffer.concat([path, Buffer.from('/'), name]));
    }
    for (const name of extra)
      this.#differ(Buffer.concat([path, Buffer.from(`/${name}`, 'latin1')]), 'is too much');
  }

  #compareStats(path: Buffer, want: BigIntStats, have: BigIntStats): void {
    const check = (what: string, left: bigint, right: bigint): void => {
      if (left !== right) this.#differ(path, `${what} is ${right}, was ${left}`);
    };
    check('mode', want.mode, have.mode);
    check('owner', want.uid, have.uid);
    check('group', want.gid, have.gid);
    check('modification time (ns)', want.mtimeNs, have.mtimeNs);
    if (want.isDirectory()) return;
    check('size', want.size, have.size);
    check('number of names', want.nlink, have.nlink);
    if (want.nlink > 1n) {
      const known = this.#links.get(want.ino);
      if (known !== undefined && known !== have.ino)
        this.#differ(path, 'is no longer the same file');
      this.#links.set(want.ino, have.ino);
    }
  }

  #compareLink(path: Buffer, a: Buffer, b: Buffer): void {
    this.#others += 1;
    const [want, have] = [a, b].map((link) => readlinkSync(link, { encoding: 'buffer' })) as [
      Buffer,
      Buffer,
    ];
    if (!want.equals(have)) this.#differ(path, 'points elsewhere');
  }

  #compareFile(path: Buffer, a: Buffer, b: Buffer, want: BigIntStats, have: BigIntStats): void {
    this.#files += 1;
    this.#bytes += want.size;
    if (want.size !== have.size) return;
    const sparse = want.blocks * 512n < want.size;
    if (sparse && have.blocks > want.blocks + HOLE_SLACK_BLOCKS) {
      this.#differ(path, `lost its holes: ${have.blocks} blocks on disk, had ${want.blocks}`);
    }
    const [left, right] = [openSync(a, 'r'), openSync(b, 'r')];
    try {
      for (;;) {
        const read = readFull(left, this.#buffers[0]);
        const other = readFull(right, this.#buffers[1]);
        if (!this.#buffers[0].subarray(0, read).equals(this.#buffers[1].subarray(0, other))) {
          this.#differ(path, 'has other contents');
          return;
        }
        if (read < CHUNK) return;
      }
    } finally {
      closeSync(left);
      closeSync(right);
    }
  }

  #differ(path: Buffer, what: string): void {
    if (this.#differences.length < DIFFERENCES_MAX) {
      this.#differences.push(`${path.toString() || '/'}: ${what}`);
    }
  }
}

function readFull(fd: number, buffer: Buffer): number {
  let read = 0;
  while (read < buffer.length) {
    const got = readSync(fd, buffer, read, buffer.length - read, null);
    if (got === 0) break;
    read += got;
  }
  return read;
}
