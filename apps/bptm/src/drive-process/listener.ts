// One listener for one data connection: from the allowed addresses only, for a bounded time, then it is gone.

import net from 'node:net';
import { plainAddress } from '@tapestry/ndmp/plain-address';
import { StatusError } from '@tapestry/status';
import { isAllowedPeer, portsToTry } from '../core/peers.ts';

export interface ListenSpec {
  /** Address to listen on; empty for all of the host. */
  readonly bindHost: string;
  readonly firstPort: number;
  readonly lastPort: number;
  readonly peers: readonly string[];
  readonly acceptTimeoutMs: number;
}

export interface Listening {
  readonly port: number;
  /** The one connection, paused and unread. Rejects with 41 when nobody came in time, and after `close`. */
  readonly connection: Promise<net.Socket>;
  close(): void;
}

/** `onStranger` is told of each connection that was refused for its address. Errors: 25 no port is free. */
export async function listenForOne(
  spec: ListenSpec,
  onStranger: (address: string) => void,
): Promise<Listening> {
  const server = net.createServer({ pauseOnConnect: true });
  const port = await listenOnRange(server, spec);
  const connection = new Promise<net.Socket>((resolve, reject) => {
    const timer = setTimeout(() => {
      server.close();
      const wait = `${Math.round(spec.acceptTimeoutMs / 1000)} s`;
      reject(
        new StatusError('connectTimedOut', `the filer did not connect to port ${port} in ${wait}`),
      );
    }, spec.acceptTimeoutMs);
    server.on('connection', (socket) => {
      if (!server.listening || !isAllowedPeer(socket.remoteAddress, spec.peers)) {
        onStranger(plainAddress(socket.remoteAddress ?? 'unknown'));
        socket.resetAndDestroy();
        return;
      }
      clearTimeout(timer);
      server.close();
      resolve(socket);
    });
    server.on('close', () => {
      clearTimeout(timer);
      reject(new StatusError('interrupted', `the listener on port ${port} was closed`));
    });
  });
  // Whoever waits for the connection handles its failure; a stream that ended first does not wait.
  connection.catch(() => undefined);
  return { port, connection, close: () => server.close() };
}

async function listenOnRange(server: net.Server, spec: ListenSpec): Promise<number> {
  let failure: unknown;
  for (const port of portsToTry(spec.firstPort, spec.lastPort, process.pid)) {
    try {
      await listenOn(server, port, spec.bindHost);
      return (server.address() as net.AddressInfo).port;
    } catch (error) {
      failure = error;
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') break;
    }
  }
  const range = spec.firstPort === 0 ? 'any port' : `ports ${spec.firstPort}-${spec.lastPort}`;
  const where = spec.bindHost === '' ? 'this host' : spec.bindHost;
  throw new StatusError(
    'cannotConnect',
    `cannot listen on ${where}, ${range}: ${(failure as Error).message}`,
    {},
    { cause: failure },
  );
}

function listenOn(server: net.Server, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const options = host === '' ? { port, backlog: 1 } : { port, host, backlog: 1 };
    server.listen(options, () => {
      server.off('error', reject);
      resolve();
    });
  });
}
