// A TCP connection to a filer as the transport that the NDMP client wants. History is slowed down by not reading.

import net, { isIPv6 } from 'node:net';
import type { NdmpTransport } from '@tapestry/ndmp';
import { plainAddress } from '@tapestry/ndmp/plain-address';

export interface NdmpSocket extends NdmpTransport {
  /** The filer was reached over IPv6. */
  readonly isIpv6: boolean;
  /** Stops and goes on reading: while stopped, the filer waits. */
  pause(): void;
  resume(): void;
  destroy(): void;
}

/** Rejects with the system's error; ETIMEDOUT after `timeoutMs`. */
export function connectNdmp(
  address: { readonly host: string; readonly port: number },
  timeoutMs: number,
  signal: AbortSignal,
): Promise<NdmpSocket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect({ ...address, signal });
    const timer = setTimeout(
      () => socket.destroy(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })),
      timeoutMs,
    );
    const fail = (error: Error): void => {
      clearTimeout(timer);
      reject(error);
    };
    socket.once('error', fail);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.off('error', fail);
      socket.setNoDelay(true);
      socket.setKeepAlive(true, 60_000);
      resolve(asTransport(socket));
    });
  });
}

function asTransport(socket: net.Socket): NdmpSocket {
  return {
    // An IPv4 address within IPv6 is none of it.
    isIpv6: isIPv6(plainAddress(socket.remoteAddress ?? '')),
    write: (bytes) => {
      if (!socket.destroyed) socket.write(bytes);
    },
    onData: (handler) => socket.on('data', handler),
    onClose: (handler) => {
      let failure: Error | undefined;
      socket.on('error', (error) => {
        failure ??= error;
      });
      socket.on('close', () => handler(failure));
    },
    close: () => socket.end(),
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    destroy: () => socket.destroy(),
  };
}
