// Ports of loopback for servers that must be told theirs beforehand. Another process may take one between the answer and
// its use: a server that can choose for itself, or keeps its port, should.

import { randomInt } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const LOOPBACK = '127.0.0.1';
const FIRST = 20_000;
/** Fewer ports than this to draw from would be met twice too easily. */
const ROOM_MIN = 1_000;
const TRIES_MAX = 50;

/**
 * A port that nobody listens on now. Where it can it lies below those that the system gives out by itself, to every
 * connection that leaves and every listener that leaves the choice to it: of these one is soon taken.
 */
export async function freePort(): Promise<number> {
  const end = firstOfSystem();
  if (end - FIRST < ROOM_MIN) return listenOnce(0);
  for (let n = 0; n < TRIES_MAX; n += 1) {
    const port = randomInt(FIRST, end);
    if (await isFreePort(port)) return port;
  }
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

/** 0 where the system does not say. */
function firstOfSystem(): number {
  try {
    return Number.parseInt(readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1'), 10);
  } catch {
    return 0;
  }
}
