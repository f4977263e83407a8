// Scripted targets on a loopback port: one for each connection, as the test's script for it says.

import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import type { SessionOptions } from '../src/net/iscsi-session.ts';
import { INITIATOR_NAME } from './initiator-kit.ts';
import { ScriptedTarget, TARGET_NAME, type TargetScript } from './scripted-target.ts';

export interface TargetServer {
  readonly port: number;
  /** By order of connection. */
  readonly targets: ScriptedTarget[];
  readonly sockets: Socket[];
  session(options?: Partial<SessionOptions>): SessionOptions;
  stop(): Promise<void>;
}

/** `script(n)` is the script of the n-th connection, from 0; undefined refuses it. */
export async function startTargets(
  script: (connection: number) => TargetScript | undefined,
): Promise<TargetServer> {
  const targets: ScriptedTarget[] = [];
  const sockets: Socket[] = [];
  const server: Server = createServer((socket) => {
    const chosen = script(sockets.length);
    sockets.push(socket);
    socket.setNoDelay(true);
    socket.on('error', () => {});
    if (chosen === undefined) {
      socket.destroy();
      return;
    }
    const target = new ScriptedTarget(
      chosen,
      (bytes) => socket.write(bytes),
      () => socket.end(),
    );
    targets.push(target);
    socket.on('data', (chunk) => target.receive(chunk));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' && address ? address.port : 0;
  return {
    port,
    targets,
    sockets,
    session: (options) => ({
      portal: { host: '127.0.0.1', port },
      initiatorName: INITIATOR_NAME,
      targetName: TARGET_NAME,
      isid: Buffer.from('80aabbccddee', 'hex'),
      ...options,
    }),
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
