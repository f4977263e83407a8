// How a data connection is dialled, by the DATA process and by a mover alike.

import { connect, type OnReadOpts, type Socket } from 'node:net';

export const DIAL_TIMEOUT_MS = 15_000;

/**
 * Half-open, because a peer that only reads may close its sending side at once. With `onread` there are no 'data' events.
 * Rejects when the time is up.
 */
export function dial(
  where: { host: string; port: number } | { path: string },
  onread?: OnReadOpts,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const options = { ...where, noDelay: true, allowHalfOpen: true };
    const socket = connect(onread === undefined ? options : { ...options, onread });
    const timer = setTimeout(() => socket.destroy(new Error('timed out')), DIAL_TIMEOUT_MS);
    socket.once('connect', () => {
      clearTimeout(timer);
      socket.removeListener('error', reject);
      resolve(socket);
    });
    socket.once('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
  });
}
