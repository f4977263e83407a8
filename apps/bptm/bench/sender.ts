// Sends zeros and a pattern over one TCP connection as fast as it can: node sender.ts <port> <bytes>.

import net from 'node:net';

const [port, totalBytes] = process.argv.slice(2).map(Number) as [number, number];
const chunk = Buffer.alloc(1_048_576, 'tapestry bench ');
const socket = net.connect(port, '127.0.0.1');
let sentBytes = 0;

function send(): void {
  while (sentBytes < totalBytes) {
    const part = chunk.subarray(0, Math.min(chunk.length, totalBytes - sentBytes));
    sentBytes += part.length;
    if (!socket.write(part)) {
      socket.once('drain', send);
      return;
    }
  }
  socket.end();
}

socket.on('connect', send);
