// What is written by hand is what the library reads.

import { type HistoryFile, type HistoryNode, readHistory } from '@tapestry/ndmp';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { HistoryBody } from './history-body.ts';

const word = fc.integer({ min: 0, max: 0xffff_ffff });
const wide = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const name = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const stat = fc.record({
  ...{ type: fc.nat(8), mtime: word, atime: word, ctime: word, owner: word, group: word },
  ...{ mode: word, size: wide, links: word },
});

test('files come back as they were added', () => {
  const entry = fc.record({ name, stat, node: wide, fhInfo: wide });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 200 }), (entries) => {
      const batch = new HistoryBody('file');
      for (const one of entries) batch.addFile(one);
      expect(batch.count).toBe(entries.length);
      const read: HistoryFile[] = [];
      readHistory({ kind: 'file', body: batch.take() }, { file: (one) => read.push(one) });
      expect(read).toEqual(entries);
      expect([batch.count, batch.sizeBytes]).toEqual([0, 4]);
    }),
  );
});

test('names and nodes come back as they were added', () => {
  const entry = fc.record({ name, stat, node: wide, fhInfo: wide });
  fc.assert(
    fc.property(fc.array(entry, { maxLength: 200 }), (entries) => {
      const [names, nodes] = [new HistoryBody('dir'), new HistoryBody('node')];
      for (const { name, stat, node, fhInfo } of entries) {
        names.addDir(name.toString('latin1'), node, fhInfo);
        nodes.addNode({ stat, node, fhInfo });
      }
      const readNames: object[] = [];
      const readNodes: HistoryNode[] = [];
      readHistory({ kind: 'dir', body: names.take() }, { dir: (one) => readNames.push(one) });
      readHistory({ kind: 'node', body: nodes.take() }, { node: (one) => readNodes.push(one) });
      const expected = entries.map(({ name, node, fhInfo }) => ({ name, node, parent: fhInfo }));
      expect(readNames).toEqual(expected);
      expect(readNodes).toEqual(entries.map(({ name: _, ...rest }) => rest));
    }),
  );
});
