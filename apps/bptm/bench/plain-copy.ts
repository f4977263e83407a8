// The limit to compare with: one connection into one file, nothing else, synced at the end. Prints its port, then its CPU seconds.

import { closeSync, fsyncSync, openSync, writeSync } from 'node:fs';
import net from 'node:net';
import { readInto } from '../src/drive-process/accepted-socket.ts';

const file = openSync(process.argv[2]!, 'w');
const buffer = Buffer.allocUnsafeSlow(1_048_576);
let filled = 0;

const server = net.createServer({ pauseOnConnect: true }, (accepted) => {
  server.close();
  const socket = readInto(accepted, {
    buffer: () => buffer.subarray(filled),
    filled: (count) => {
      filled += count;
      if (filled === buffer.length) {
        writeSync(file, buffer);
        filled = 0;
      }
      return true;
    },
  });
  socket.on('end', () => {
    writeSync(file, buffer, 0, filled);
    fsyncSync(file);
    closeSync(file);
    const { user, system } = process.cpuUsage();
    process.stdout.write(`${(user + system) / 1e6}\n`, () => process.exit(0));
  });
  socket.resume();
});
server.listen(0, '127.0.0.1', () => {
  process.stdout.write(`${(server.address() as net.AddressInfo).port}\n`);
});
