// Random directory trees for tests, and the two forms of file history that a server would send for one.

import fc from 'fast-check';
import { pathFromBytes } from '../src/path-text.ts';
import type { FileType, HistoryNode, HistorySpool } from '../src/spool.ts';

export const ROOT_NODE = 64n;

/** One name in the tree. Two objects with the same node are hard links. */
export interface TreeObject {
  /** Path in bytes below the root, '' for the root. */
  readonly path: Buffer;
  readonly name: Buffer;
  readonly parent: bigint;
  readonly stat: HistoryNode;
}

const name = fc
  .oneof(
    fc.constantFrom('a', 'b', 'a-b', 'a.b', 'ä', '🎉', ' ', "it's", '...', '.hidden', '*', '\n'),
    fc.uint8Array({ minLength: 1, maxLength: 6 }),
    fc.array(fc.constantFrom(0xf4, 0x8f, 0xb8, 0xba, 0xbb, 0x80, 0xff, 0), {
      minLength: 1,
      maxLength: 5,
    }),
  )
  .map((value) => Buffer.from(value as Uint8Array))
  .filter((bytes) => !bytes.includes(0x2f) && !['.', '..'].includes(bytes.toString('latin1')));

const stat = fc.record({
  type: fc.constantFrom<FileType>(
    'file',
    'file',
    'symlink',
    'fifo',
    'chr',
    'blk',
    'socket',
    'other',
  ),
  sizeBytes: fc.bigInt(0n, 2n ** 64n - 1n),
  fhInfo: fc.option(fc.bigInt(0n, 2n ** 64n - 2n), { nil: undefined }),
  mtimeS: fc.option(fc.nat(0xfffffffe), { nil: undefined }),
  mode: fc.option(fc.nat(0o7777), { nil: undefined }),
  uid: fc.option(fc.nat(0xfffffffe), { nil: undefined }),
  gid: fc.option(fc.nat(0xfffffffe), { nil: undefined }),
});

/** Steps that each add one name to one of the directories there are. */
const step = fc.record({
  into: fc.nat(1000),
  name,
  stat,
  what: fc.constantFrom('dir', 'dir', 'object', 'object', 'object', 'link'),
});

export const tree: fc.Arbitrary<readonly TreeObject[]> = fc
  .array(step, { maxLength: 40 })
  .map((steps) => {
    const rootStat: HistoryNode = { type: 'dir', sizeBytes: 0n, node: ROOT_NODE, mtimeS: 1 };
    const root = {
      path: Buffer.alloc(0),
      name: Buffer.alloc(0),
      parent: ROOT_NODE,
      stat: rootStat,
    };
    const objects: TreeObject[] = [root];
    const taken = new Set<string>();
    for (const [index, { into, name, stat, what }] of steps.entries()) {
      const directories = objects.filter((object) => object.stat.type === 'dir');
      const holder = directories[into % directories.length] as TreeObject;
      const path = Buffer.concat([holder.path, Buffer.from('/'), name]);
      const others = objects.filter((object) => object.stat.type !== 'dir');
      const linked = what === 'link' ? others[into % others.length] : undefined;
      if (taken.has(path.toString('latin1'))) continue;
      taken.add(path.toString('latin1'));
      const made = { ...stat, node: BigInt(1000 + index) };
      objects.push({
        path,
        name,
        parent: holder.stat.node,
        stat: linked?.stat ?? (what === 'dir' ? { ...made, type: 'dir' } : made),
      });
    }
    return objects;
  });

export function appendAsFiles(spool: HistorySpool, objects: readonly TreeObject[]): void {
  spool.appendFiles(
    objects.map(({ path, stat }) => ({ ...stat, path: path.length > 0 ? path : Buffer.from('/') })),
  );
}

/** In the specified order: the root's `.` and `..` first, then each directory with its children. */
export function appendAsDirsAndNodes(spool: HistorySpool, objects: readonly TreeObject[]): void {
  const sent = new Set<bigint>();
  const parents = new Map(objects.map((object) => [object.stat.node, object.parent]));
  for (const directory of objects.filter((object) => object.stat.type === 'dir')) {
    const { node } = directory.stat;
    spool.appendDirs([
      { parent: node, node, name: Buffer.from('.') },
      { parent: node, node: parents.get(node) as bigint, name: Buffer.from('..') },
    ]);
    if (node === ROOT_NODE) spool.appendNodes([directory.stat]);
    for (const child of objects.filter(
      (object) => object.parent === node && object !== directory,
    )) {
      spool.appendDirs([{ parent: node, node: child.stat.node, name: child.name }]);
      if (!sent.has(child.stat.node)) spool.appendNodes([child.stat]);
      sent.add(child.stat.node);
    }
  }
}

export interface ExpectedRow {
  readonly path: string;
  readonly type: FileType;
  readonly sizeBytes: bigint;
  readonly node: bigint;
  readonly fhInfo: bigint | undefined;
  readonly saved: boolean;
}

/** The rows that a file list of this tree must have, in order. `prefix` has at most one component. */
export function expectedRows(objects: readonly TreeObject[], prefix: string): ExpectedRow[] {
  const rows = objects.map(({ path, stat }) => ({
    path: `${prefix === '/' ? '' : prefix}${pathFromBytes(path)}` || '/',
    type: stat.type,
    sizeBytes: stat.sizeBytes,
    node: stat.node,
    fhInfo: stat.fhInfo,
    saved: true,
  }));
  if (prefix !== '/') {
    const above = { type: 'dir' as const, sizeBytes: 0n, node: 0n, fhInfo: undefined };
    rows.push({ ...above, path: '/', saved: false });
  }
  return rows.sort((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));
}
