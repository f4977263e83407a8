// Ports of loopback for servers that must be told theirs beforehand. Another process may take one between the answer and
// its use: a server that can choose for itself, or keeps its port, should.

import { createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';

/** A port that nobody listens on now. */
export function freePort(): Promise<number> {
  return listenOnce(0);
}

export function isFreePort(port: number): Promise<boolean> {
  return listenOnce(port).then(
    () => true,
    () => false,
  );
}

function listenOnce(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once('error', reject);
    probe.listen(port, LOOPBACK, () => {
      const address = probe.address();
      probe.close(() => resolve(typeof address === 'object' ? (address?.port ?? 0) : 0));
    });
  });
}
