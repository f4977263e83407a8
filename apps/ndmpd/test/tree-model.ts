// What a tree is, to the last bit that a backup must keep, and random changes to one.

import { createHash } from 'node:crypto';
import {
  type BigIntStats,
  chmodSync,
  closeSync,
  existsSync,
  ftruncateSync,
  lchownSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  unlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import fc from 'fast-check';
import { AttributeHelper, type Xattr } from '../src/adapters/attribute-helper.ts';
import { closeDirectory, openRoot } from '../src/adapters/directory.ts';
import { IS_ROOT } from './sample-tree.ts';

const join = (directory: Buffer, name: Buffer): Buffer =>
  Buffer.concat([directory, Buffer.from('/'), name]);

/** Every path below a root, parents first, as bytes from the root; the root is empty. */
export function listTree(root: string): Buffer[] {
  const found: Buffer[] = [Buffer.alloc(0)];
  const visit = (below: Buffer): void => {
    const here = below.length === 0 ? Buffer.from(root) : join(Buffer.from(root), below);
    for (const name of readdirSync(here, { encoding: 'buffer' }).sort(Buffer.compare)) {
      const path = below.length === 0 ? name : join(below, name);
      found.push(path);
      if (lstatSync(join(Buffer.from(root), path)).isDirectory()) visit(path);
    }
  };
  visit(Buffer.alloc(0));
  return found;
}

/** One line an object: everything that must come back. Sockets are not part of a backup. */
export async function describeExactly(root: string): Promise<string[]> {
  const helper = new AttributeHelper();
  const firstNames = new Map<bigint, string>();
  const lines: string[] = [];
  const top = openRoot(root);
  try {
    for (const path of listTree(root)) {
      const whole = path.length === 0 ? Buffer.from(root) : join(Buffer.from(root), path);
      const stats = lstatSync(whole, { bigint: true });
      if (stats.isSocket()) continue;
      const shown = path.toString('latin1');
      const first = firstNames.get(stats.ino) ?? shown;
      firstNames.set(stats.ino, first);
      const found = await helper.readXattrs(top, [path.length === 0 ? '.' : shown]);
      lines.push([shown, ...facts(stats, whole), first, showXattrs(found.get(0))].join('|'));
    }
  } finally {
    closeDirectory(top);
    helper.close();
  }
  return lines;
}

function facts(stats: BigIntStats, path: Buffer): unknown[] {
  const common = [stats.mode.toString(8), stats.uid, stats.gid, stats.mtimeNs];
  if (stats.isSymbolicLink()) {
    return [...common, readlinkSync(path, { encoding: 'buffer' }).toString('latin1')];
  }
  if (!stats.isFile()) return [...common, stats.isDirectory() ? '' : stats.rdev];
  const digest = createHash('sha256').update(readFileSync(path)).digest('hex');
  return [...common, stats.size, digest, stats.size > 65_536n && stats.blocks * 512n < stats.size];
}

function showXattrs(xattrs: readonly Xattr[] = []): string {
  const shown = xattrs.map(
    ({ name, value }) => `${name.toString('latin1')}=${value.toString('hex')}`,
  );
  return shown.sort().join(',');
}

/** What a change is, and numbers that choose its objects and values. */
export interface Change {
  readonly kind: keyof typeof CHANGES;
  readonly a: number;
  readonly b: number;
  readonly name: Buffer;
}

const ACL = (uid: number): Buffer => {
  const entries = [
    [1, 7, -1],
    [2, 4, uid],
    [4, 5, -1],
    [16, 5, -1],
    [32, 1, -1],
  ];
  const acl = Buffer.alloc(4 + 8 * entries.length);
  acl.writeUInt32LE(2, 0);
  for (const [i, [tag, bits, id]] of entries.entries()) {
    acl.writeUInt16LE(tag as number, 4 + 8 * i);
    acl.writeUInt16LE(bits as number, 6 + 8 * i);
    acl.writeInt32LE(id as number, 8 + 8 * i);
  }
  return acl;
};

/** The tree that changes are made to, seen as it is at that moment. */
class Ground {
  readonly root: string;
  readonly helper: AttributeHelper;
  constructor(root: string, helper: AttributeHelper) {
    this.root = root;
    this.helper = helper;
  }
  at(path: Buffer): Buffer {
    return path.length === 0 ? Buffer.from(this.root) : join(Buffer.from(this.root), path);
  }
  pick(n: number, accepts: (stats: BigIntStats, path: Buffer) => boolean): Buffer | undefined {
    const all = listTree(this.root).filter((path) =>
      accepts(lstatSync(this.at(path), { bigint: true }), path),
    );
    return all.length === 0 ? undefined : all[n % all.length];
  }
  directory(n: number): Buffer {
    return this.pick(n, (stats) => stats.isDirectory()) ?? Buffer.alloc(0);
  }
  file(n: number): Buffer | undefined {
    return this.pick(n, (stats) => stats.isFile());
  }
  anything(n: number): Buffer | undefined {
    return this.pick(n, (_, path) => path.length > 0);
  }
  /** A place for a new object; undefined when the name is taken. */
  free(n: number, name: Buffer): Buffer | undefined {
    const directory = this.directory(n);
    const path = directory.length === 0 ? name : join(directory, name);
    return this.exists(path) ? undefined : this.at(path);
  }
  exists(path: Buffer): boolean {
    try {
      lstatSync(this.at(path));
      return true;
    } catch {
      return false;
    }
  }
  async xattr(path: Buffer, name: string, value: Buffer): Promise<void> {
    const directory = openRoot(this.root);
    const at = path.length === 0 ? Buffer.from('.') : path;
    this.helper.setXattr({ directory, name: at }, { name: Buffer.from(name), value }, name);
    await this.helper.settled();
    closeDirectory(directory);
  }
}

type Make = (ground: Ground, change: Change) => unknown;

const bytesOf = (n: number, length: number): Buffer => Buffer.alloc(length, `${n}.`);

const CHANGES = {
  newFile: (ground, { a, b, name }) => {
    const path = ground.free(a, name);
    if (path !== undefined) writeFileSync(path, bytesOf(b, (b * 37) % 3000), { mode: 0o600 });
  },
  newLargeFile: (ground, { a, b, name }) => {
    const path = ground.free(a, name);
    if (path !== undefined) writeFileSync(path, bytesOf(b, 70_000 + ((b * 997) % 200_000)));
  },
  newSparseFile: (ground, { a, b, name }) => {
    const path = ground.free(a, name);
    if (path === undefined) return;
    const fd = openSync(path, 'w');
    writeSync(fd, bytesOf(b, 5000), 0, 5000, 65_536 * (b % 9));
    ftruncateSync(fd, 1_000_000 + b * 4096);
    closeSync(fd);
  },
  newDirectory: (ground, { a, name }) => {
    const path = ground.free(a, name);
    if (path !== undefined) mkdirSync(path);
  },
  newLink: (ground, { a, b, name }) => {
    const path = ground.free(a, name);
    if (path !== undefined) symlinkSync(`../to/${'x'.repeat(b % 150)}${b}`, path);
  },
  newHardLink: (ground, { a, b, name }) => {
    const from = ground.pick(b, (stats) => !stats.isDirectory());
    const path = ground.free(a, name);
    if (path !== undefined && from !== undefined) linkSync(ground.at(from), path);
  },
  write: (ground, { a, b }) => {
    const path = ground.file(a);
    if (path !== undefined) writeFileSync(ground.at(path), bytesOf(b, b % 5000));
  },
  shorten: (ground, { a, b }) => {
    const path = ground.file(a);
    if (path !== undefined) truncateSync(ground.at(path), b % 100);
  },
  backdate: (ground, { a, b }) => {
    const path = ground.pick(a, () => true);
    if (path !== undefined) lutimesSync(ground.at(path), b, 1_000_000_000 + b);
  },
  mode: (ground, { a, b }) => {
    const path = ground.pick(a, (stats) => !stats.isSymbolicLink());
    if (path !== undefined) chmodSync(ground.at(path), 0o500 + (b % 0o277));
  },
  owner: (ground, { a, b }) => {
    const path = ground.pick(a, () => true);
    if (path !== undefined && IS_ROOT) lchownSync(ground.at(path), b, b + 1);
  },
  attribute: async (ground, { a, b }) => {
    const path = ground.pick(a, (stats) => stats.isFile() || stats.isDirectory());
    if (path !== undefined) await ground.xattr(path, 'user.note', Buffer.from(`${b}`));
  },
  acl: async (ground, { a, b }) => {
    const path = ground.pick(a, (stats) => stats.isFile() || stats.isDirectory());
    if (path !== undefined) await ground.xattr(path, 'system.posix_acl_access', ACL(b));
  },
  defaultAcl: async (ground, { a, b }) => {
    await ground.xattr(ground.directory(a), 'system.posix_acl_default', ACL(b));
  },
  clearAttributes: async (ground, { a }) => {
    const directory = openRoot(ground.root);
    const path = ground.directory(a);
    const name = path.length === 0 ? Buffer.from('.') : path;
    ground.helper.clearXattrs({ directory, name });
    await ground.helper.settled();
    closeDirectory(directory);
  },
  rename: (ground, { a, b, name }) => {
    const from = ground.anything(a);
    const path = ground.free(b, name);
    if (from === undefined || path === undefined) return;
    const isInside = path.toString('latin1').startsWith(`${ground.at(from).toString('latin1')}/`);
    if (!isInside) renameSync(ground.at(from), path);
  },
  swap: (ground, { a, b }) => {
    const [one, two] = [ground.anything(a), ground.anything(b)];
    if (one === undefined || two === undefined) return;
    const [x, y] = [ground.at(one), ground.at(two)];
    const [s, t] = [`${x.toString('latin1')}/`, `${y.toString('latin1')}/`];
    if (s.startsWith(t) || t.startsWith(s)) return;
    const aside = Buffer.from(`${ground.root}-aside`);
    renameSync(x, aside);
    renameSync(y, x);
    renameSync(aside, y);
  },
  remove: (ground, { a }) => {
    const path = ground.anything(a);
    if (path !== undefined) rmSync(ground.at(path), { recursive: true });
  },
  becomeDirectory: (ground, { a }) => {
    const path = ground.file(a);
    if (path === undefined) return;
    unlinkSync(ground.at(path));
    mkdirSync(ground.at(path));
  },
  becomeFile: (ground, { a, b }) => {
    const path = ground.directory(a);
    if (path.length === 0) return;
    rmSync(ground.at(path), { recursive: true });
    writeFileSync(ground.at(path), bytesOf(b, 10));
  },
} satisfies Record<string, Make>;

/** Names of any bytes, often the same few, so that places are taken again. */
const nameBytes = fc.oneof(
  fc.constantFrom('a', 'b', 'c', 'd').map((text) => Buffer.from(text)),
  fc
    .uint8Array({ minLength: 1, maxLength: 255 })
    .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0 || byte === 0x2f ? 0x80 : byte))))
    .filter((name) => !['.', '..'].includes(name.toString('latin1'))),
);

export const changes = (options: {
  minLength: number;
  maxLength: number;
}): fc.Arbitrary<Change[]> =>
  fc.array(
    fc.record({
      kind: fc.constantFrom(...(Object.keys(CHANGES) as (keyof typeof CHANGES)[])),
      a: fc.nat(1000),
      b: fc.nat(1000),
      name: nameBytes,
    }),
    options,
  );

/** Makes the root where it is missing, then the changes in their order. */
export async function change(root: string, all: readonly Change[]): Promise<void> {
  if (!existsSync(root)) mkdirSync(root);
  const helper = new AttributeHelper();
  const ground = new Ground(root, helper);
  for (const one of all) await (CHANGES[one.kind] as Make)(ground, one);
  helper.close();
}
