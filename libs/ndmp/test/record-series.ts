// Records NDMJOB's conformance series against the server in memory, for recorded.test.ts to play again:
//
//   node libs/ndmp/test/record-series.ts libs/ndmp/test/recorded
//
// Needs NDMJOB (Debian package amanda-common); listens on loopback only.

import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { runNdmjob } from '../../../tools/peers/start-ndmjob.ts';
import type { NdmpVersion } from '../src/messages.ts';
import { SessionHarness } from '../src/session-harness.test-data.ts';
import type { TraceChunk } from '../src/trace.ts';
import { TraceWriter } from '../src/trace-file.ts';

const TIMEOUT_MS = 60_000;
const SERIES: readonly [string, readonly NdmpVersion[], readonly string[]][] = [
  ['query', [2, 4], ['-q', '-f', 'nst0']],
  ['movers', [2, 3, 4], ['-o', 'test-mover', '-f', 'nst0']],
  ['tapes', [2, 4], ['-o', 'test-tape', '-f', 'nst0']],
  ['data', [3, 4], ['-o', 'test-data', '-f', 'nst0', '-B', 'tar']],
];

function serve(socket: Socket, lines: string[]): void {
  const writer = new TraceWriter();
  const note = (chunk: TraceChunk): void => void lines.push(...writer.push(chunk));
  const harness = new SessionHarness();
  harness.onSend = (bytes) => {
    note({ from: 'server', bytes });
    socket.write(bytes);
  };
  socket.on('data', (bytes) => {
    note({ from: 'dma', bytes });
    harness.session.receive(bytes);
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => harness.session.lose());
  harness.session.greet();
}

/** The longest of the sessions that one run of NDMJOB holds, and how the run ended. */
async function record(version: NdmpVersion, args: readonly string[]) {
  const sessions: string[][] = [];
  const server = createServer((socket) => {
    const lines: string[] = [];
    sessions.push(lines);
    serve(socket, lines);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const agent = `127.0.0.1:${port}/${version}t,ndmp,secret`;
  const plain = ['-v', '-v', '-v', '-o', 'no-time-stamps', '-D', agent, '-T', agent];
  const text = await runNdmjob([...plain, ...args], TIMEOUT_MS);
  server.close();
  const lines = sessions.reduce((a, b) => (b.length > a.length ? b : a));
  return { lines, end: /FINAL[^"]*|#\d+ -- Failed[^"]*|Operation[^"]*/.exec(text)?.[0] ?? '' };
}

const folder = process.argv[2] ?? 'recorded';
mkdirSync(folder, { recursive: true });
for (const [name, versions, args] of SERIES) {
  for (const version of versions) {
    const { lines, end } = await record(version, args);
    writeFileSync(join(folder, `${name}-v${version}.trace`), `${lines.join('\n')}\n`);
    process.stdout.write(`${name} v${version}: ${lines.length} messages, ${end}\n`);
  }
}
