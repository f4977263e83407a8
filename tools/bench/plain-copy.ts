// The limit beside which the data path is measured: bytes through one loopback socket into one file, synced, nothing else.

import { closeSync, fdatasyncSync, openSync, readSync, rmSync, writeSync } from 'node:fs';
import net from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const CHUNK = 1024 * 1024;

/** A file, or so many bytes from memory. */
type CopySource = string | number;

/** GB/s. Removes the copy. The sender is a thread of its own, as a filer is a host of its own. */
export async function plainCopy(from: CopySource, to: string): Promise<number> {
  const fd = openSync(to, 'w');
  const startMs = performance.now();
  try {
    const bytes = await receive(from, fd);
    fdatasyncSync(fd);
    return bytes / ((performance.now() - startMs) / 1000) / 1e9;
  } finally {
    closeSync(fd);
    rmSync(to, { force: true });
  }
}

/** The receiver dials, because only then `onread` reads into one buffer without an event a chunk. */
function receive(from: CopySource, fd: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const sender = new Worker(new URL(import.meta.url), { workerData: { from } });
    sender.once('error', reject);
    sender.once('message', (port: number) => {
      const socket = net.connect({
        ...{ port, host: '127.0.0.1' },
        onread: {
          buffer: Buffer.allocUnsafeSlow(CHUNK),
          callback: (count, buffer) => {
            writeSync(fd, buffer, 0, count);
            return true;
          },
        },
      });
      socket.once('error', reject);
      socket.once('end', () => {
        socket.destroy();
        void sender.terminate().then(() => resolve(socket.bytesRead));
      });
    });
  });
}

/** Each chunk is sent before the next one takes its place in the buffer. */
function* chunksOf(from: CopySource): Generator<Buffer> {
  const buffer = Buffer.alloc(CHUNK, 'tapestry bench ');
  if (typeof from === 'number') {
    for (let left = from; left > 0; left -= CHUNK) yield buffer.subarray(0, Math.min(left, CHUNK));
    return;
  }
  const fd = openSync(from, 'r');
  for (;;) {
    const count = readSync(fd, buffer, 0, CHUNK, null);
    if (count === 0) break;
    yield buffer.subarray(0, count);
  }
  closeSync(fd);
}

function send(from: CopySource): void {
  const server = net.createServer(async (socket) => {
    for (const chunk of chunksOf(from)) {
      await new Promise<void>((resolve) => {
        socket.write(chunk, () => resolve());
      });
    }
    socket.end();
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    parentPort?.postMessage(typeof address === 'object' ? address?.port : 0);
  });
}

if (!isMainThread) send((workerData as { from: CopySource }).from);
