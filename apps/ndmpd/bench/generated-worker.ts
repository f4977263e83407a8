// A data process whose tree is generated: the backup of adapters/data-worker.ts, over a tree of
// test/generated-tree.ts. The order's export directory is the rule of the tree, as JSON.

import { connect, type Socket } from 'node:net';
import { BackupRun } from '../src/adapters/backup-run.ts';
import { Reporter } from '../src/adapters/reporter.ts';
import { StreamSink } from '../src/adapters/stream-sink.ts';
import type { BackupOrder, WorkerCommand, WorkerReport } from '../src/core/data-protocol.ts';
import { Progress } from '../src/core/progress.ts';
import { GeneratedTree } from '../test/generated-tree.ts';

const send = (report: WorkerReport): void => void process.send?.(report);
const report = new Reporter(send);
let socket: Socket | undefined;

async function backUp(order: BackupOrder, into: Socket): Promise<void> {
  const sink = new StreamSink(into, new Progress((bytes) => send({ type: 'progress', bytes })));
  const tree = new GeneratedTree(JSON.parse(order.exportDirectory));
  const totals = await new BackupRun(order, tree, sink, report).run();
  await sink.end();
  send({ type: 'directories', bytes: totals.directories });
  send({ type: 'ended', reason: 1, env: [] });
}

process.on('message', (command: WorkerCommand) => {
  if (command.type === 'taken') report.taken(command.posts);
  else if (command.type === 'backup' && socket !== undefined) void backUp(command, socket);
  else if (command.type === 'dial') {
    const { host, port } = command.endpoints[0] ?? { host: '', port: 0 };
    socket = connect({ host, port }, () => send({ type: 'connected', host, port }));
  }
});
