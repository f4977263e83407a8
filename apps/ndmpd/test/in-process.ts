// Backups and recoveries without a server: the runs themselves, on streams in memory. Needs a process of
// its own, since a run changes the working directory.

import type { Socket } from 'node:net';
import { PassThrough, Writable } from 'node:stream';
import {
  type HistoryDir,
  type HistoryFile,
  type HistoryNode,
  LOG_TYPE,
  type NameEntry,
  readHistory,
  textFromBytes,
  U64_MAX,
} from '@tapestry/ndmp';
import { BackupRun } from '../src/adapters/backup-run.ts';
import { HostTree } from '../src/adapters/host-tree.ts';
import { RecoverRun } from '../src/adapters/recover-run.ts';
import { Reporter } from '../src/adapters/reporter.ts';
import type { SourceTree } from '../src/adapters/source-tree.ts';
import { StreamSink } from '../src/adapters/stream-sink.ts';
import { StreamSource } from '../src/adapters/stream-source.ts';
import type { BackupOrder, RecoverOrder, WorkerReport } from '../src/core/data-protocol.ts';
import { Progress } from '../src/core/progress.ts';

export interface RunReport {
  readonly logs: string[];
  /** Names of recovered elements with their status. */
  readonly elements: [string, number][];
  readonly history: HistoryFile[];
  /** Of every form of history. */
  readonly entries: (HistoryFile | HistoryDir | HistoryNode)[];
}

function listen(): { report: Reporter; said: RunReport } {
  const said: RunReport = { logs: [], elements: [], history: [], entries: [] };
  const report = new Reporter((post: WorkerReport) => {
    if (post.type === 'log' && post.logType !== LOG_TYPE.normal) said.logs.push(post.entry);
    if (post.type === 'file') said.elements.push([post.name, post.status]);
    if (post.type === 'history') {
      const body = Buffer.from(post.body);
      const keep = (entry: HistoryFile | HistoryDir | HistoryNode) => said.entries.push(entry);
      const file = (entry: HistoryFile) => said.history.push(entry) && keep(entry);
      readHistory({ kind: post.kind, body }, { file, dir: keep, node: keep });
    }
    if (['log', 'file', 'history'].includes(post.type)) setImmediate(() => report.taken(1));
  });
  return { report, said };
}

export interface MadeImage extends RunReport {
  readonly image: Buffer;
  readonly directories: Uint8Array;
  readonly failed: number;
}

export async function makeImage(
  root: string,
  order: Partial<BackupOrder> = {},
  treeOf: (order: BackupOrder) => SourceTree = (whole) => new HostTree(whole),
): Promise<MadeImage> {
  const chunks: Buffer[] = [];
  const socket = new Writable({
    write(chunk: Buffer, _encoding, done) {
      chunks.push(Buffer.from(chunk));
      setImmediate(done);
    },
  });
  const { report, said } = listen();
  const sink = new StreamSink(socket as unknown as Socket, new Progress(() => {}));
  const whole: BackupOrder = {
    ...{ type: 'backup', exportDirectory: root, shownRoot: '/home', components: [] },
    ...{ history: 'file', exclude: [], include: [], base: undefined, ...order },
  };
  const { directories, failed } = await new BackupRun(whole, treeOf(whole), sink, report).run();
  await sink.end();
  return { image: Buffer.concat(chunks), directories, failed, ...said };
}

/** Recovers everything, or what the order names, below `root`, which is the export `/to`; the image comes in pieces. */
export async function takeImage(
  image: Buffer,
  root: string,
  order: Partial<RecoverOrder> = {},
  pieceBytes = image.length,
): Promise<RunReport> {
  const stream = new PassThrough();
  const { report, said } = listen();
  const source = new StreamSource(stream as unknown as Socket, new Progress(() => {}), {
    imageBytes: image.length,
    alignBytes: 1,
    ask(offset, length) {
      const end = Number(offset + length);
      for (let at = Number(offset); at < end; at += pieceBytes) {
        stream.write(image.subarray(at, Math.min(at + pieceBytes, end)));
      }
    },
  });
  const everything = {
    ...{ originalPath: '', destinationPath: '/to', name: '', otherName: '' },
    ...{ node: 0n, fhInfo: U64_MAX },
  };
  const whole: RecoverOrder = {
    ...{ type: 'recover', exports: [{ name: 'to', directory: root }], filesystem: '/home' },
    ...{ names: [everything], version: 4, direct: false, recursive: true, removeGone: false },
    ...{ imageBytes: BigInt(image.length), readAlignBytes: 1, listOnly: false, history: 'none' },
    ...order,
  };
  await new RecoverRun(whole, source, report).run();
  return said;
}

/** A name-list element for a path of the image, under another name below `/to`. */
export function element(original: Buffer, to: string, fhInfo = U64_MAX): NameEntry {
  const originalPath = textFromBytes(Buffer.concat([Buffer.from('/'), original]));
  return { originalPath, destinationPath: to, name: '', otherName: '', node: 0n, fhInfo };
}
