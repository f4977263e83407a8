// The limit beside which the data path is measured: a file through one loopback socket into another file, synced.

import { closeSync, fdatasyncSync, openSync, readSync, rmSync, statSync, writeSync } from 'node:fs';
import net from 'node:net';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

const CHUNK = 1024 * 1024;

/** GB/s. The sender is a thread of its own, as a filer is a host of its own. */
export async function plainCopy(from: string, to: string): Promise<number> {
  const bytes = statSync(from).size;
  const fd = openSync(to, 'w');
  const startMs = performance.now();
  try {
    await receive(from, fd);
    fdatasyncSync(fd);
    return bytes / ((performance.now() - startMs) / 1000) / 1e9;
  } finally {
    closeSync(fd);
    rmSync(to, { force: true });
  }
}

/** The receiver dials, because only then `onread` reads into one buffer without an event a chunk. */
function receive(from: string, fd: number): Promise<void> {
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
        void sender.terminate().then(() => resolve());
      });
    });
  });
}

async function send(from: string): Promise<void> {
  const fd = openSync(from, 'r');
  const server = net.createServer(async (socket) => {
    const buffers = [Buffer.allocUnsafeSlow(CHUNK), Buffer.allocUnsafeSlow(CHUNK)];
    for (let n = 0; ; n += 1) {
      const buffer = buffers[n % 2]!;
      const count = readSync(fd, buffer, 0, CHUNK, null);
      if (count === 0) break;
      await new Promise<void>((resolve) => {
        socket.write(buffer.subarray(0, count), () => resolve());
      });
    }
    socket.end();
  });
  server.listen(0, '127.0.0.1', () => {
    const address = server.address();
    parentPort?.postMessage(typeof address === 'object' ? address?.port : 0);
  });
}

if (!isMainThread) await send((workerData as { from: string }).from);
