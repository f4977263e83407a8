// What a backup keeps in memory: nothing for a file, some bytes for a directory, few for a file with more
// names to come. Trees are generated; the garbage collector is asked, not the clock.

import type { Socket } from 'node:net';
import { Writable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { countHistory } from '@tapestry/ndmp';
import { expect, test } from 'vitest';
import { BackupRun } from '../src/adapters/backup-run.ts';
import { Reporter } from '../src/adapters/reporter.ts';
import { StreamSink } from '../src/adapters/stream-sink.ts';
import type { BackupOrder, WorkerReport } from '../src/core/data-protocol.ts';
import { Progress } from '../src/core/progress.ts';
import { CHANGED_AT_NS, GeneratedTree, type TreeRule } from './generated-tree.ts';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc') as () => void;

function heldBytes(): number {
  for (let i = 0; i < 3; i += 1) collect(); // buffers go one round after what held them
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

interface Outcome {
  /** Held right before the folders that were asked for. */
  readonly held: number[];
  readonly logs: string[];
  readonly entries: number;
  readonly streamBytes: number;
  readonly directories: Uint8Array;
}

async function backUp(
  rule: TreeRule,
  order: Partial<BackupOrder>,
  folders: readonly number[],
): Promise<Outcome> {
  const held: number[] = [];
  const logs: string[] = [];
  const counts = { entries: 0, streamBytes: 0 };
  const report = new Reporter((post: WorkerReport) => {
    if (post.type === 'log') logs.push(post.entry);
    if (post.type === 'history') {
      counts.entries += countHistory({ kind: post.kind, body: Buffer.from(post.body) });
    }
    report.taken(1); // at once, so that none is on its way when memory is looked at
  });
  const socket = new Writable({
    write(chunk: Buffer, _encoding, done) {
      counts.streamBytes += chunk.length;
      done();
    },
  });
  const sink = new StreamSink(socket as unknown as Socket, new Progress(() => {}));
  const tree = new GeneratedTree(rule, (listed) => {
    if (folders.includes(listed)) held.push(heldBytes());
  });
  const whole: BackupOrder = {
    ...{ type: 'backup', exportDirectory: '', shownRoot: '/home', components: [] },
    ...{ history: 'file', exclude: [], include: [], base: undefined, ...order },
  };
  const { directories } = await new BackupRun(whole, tree, sink, report).run();
  await sink.end();
  return { held, logs, ...counts, directories };
}

const growth = ({ held: [before = 0, after = 0] }: Outcome): number => after - before;

const FOLDERS = 3000;
const RULE: TreeRule = { folders: FOLDERS, filesAFolder: 100, bytes: 20, changedEvery: 10 };
const EARLY = 300;
const LATE = 2900;
/** Eleven bytes for each file between the two: a number would be more. */
const NOISE_BYTES = 3_000_000;

test.each(['file', 'dir'] as const)(
  'a walk keeps nothing of 300,000 files: history %s',
  async (history) => {
    const full = await backUp(RULE, { history }, [EARLY, LATE]);
    expect(full.logs).toEqual([]);
    expect(growth(full)).toBeLessThan(NOISE_BYTES);
    const base = { sinceNs: CHANGED_AT_NS, directories: full.directories };
    const next = await backUp(RULE, { history, base }, [EARLY, LATE]);
    expect(growth(next)).toBeLessThan(NOISE_BYTES);
    const files = FOLDERS * 100;
    const byPath = [files + FOLDERS, files / 10 + FOLDERS];
    // Each name, "." and ".." of each folder, but for the root no name; then nodes as by path.
    const byInode = byPath.map((nodes) => nodes + files + 3 * FOLDERS - 1);
    expect([full.entries, next.entries]).toEqual(history === 'file' ? byPath : byInode);
  },
);

test('a folder with very many names takes nothing afterwards, and lists them all', async () => {
  const count = 200_000;
  const rule: TreeRule = { folders: 2, filesAFolder: count, bytes: 0, changedEvery: count };
  const full = await backUp(rule, { history: 'file' }, [0, 1]);
  // Of the first folder, all that is needed for the second is that it is one.
  expect([full.entries, full.logs]).toEqual([2 * count + 2, []]);
  expect(growth(full)).toBeLessThan(NOISE_BYTES);
  const known = { sinceNs: CHANGED_AT_NS, directories: full.directories };
  const next = await backUp(rule, { history: 'file', base: known }, [0, 1]);
  expect([next.entries, next.logs]).toEqual([2 + 2, []]);
  const listBytes = 2 * count * ('Yquarterly-report-00000000'.length + 1);
  expect(next.streamBytes).toBeGreaterThan(listBytes);
  expect(next.streamBytes).toBeLessThan(listBytes + 32 * 1024);
});

test('files with more names to come take few bytes each, and all become links', async () => {
  const rule: TreeRule = { folders: 2000, filesAFolder: 150, bytes: 1000, linkedAFolder: 150 };
  const pairs = (rule.folders * rule.filesAFolder) / 2;
  const moments = Array.from({ length: 20 }, (_, i) => i * 100);
  const { held, logs, streamBytes } = await backUp(rule, {}, moments);
  expect(logs).toEqual([]);
  const [first = 0, ...later] = held;
  expect(Math.max(...later) - first).toBeLessThan(40 * pairs + NOISE_BYTES);
  const [headers, data] = [3 * 512, 1024];
  expect(streamBytes).toBeLessThan((2 * pairs + rule.folders + 1) * headers + pairs * data);
});
