// The limit to compare with: a file read in pieces and written to a socket, nothing else.
// node raw-copy.ts PORT FILE

import { openSync, readSync } from 'node:fs';
import { connect } from 'node:net';

const [port, file] = process.argv.slice(2);
const fd = openSync(file ?? '', 'r');
const buffers = Array.from({ length: 4 }, () => Buffer.allocUnsafeSlow(1024 * 1024));
const socket = connect(Number(port), '127.0.0.1');

function send(): void {
  const buffer = buffers.pop();
  if (buffer === undefined) return;
  const read = readSync(fd, buffer, 0, buffer.length, null);
  if (read === 0) {
    socket.end();
    return;
  }
  socket.write(buffer.subarray(0, read), () => {
    buffers.push(buffer);
    send();
  });
  setImmediate(send);
}

socket.on('connect', send);
