// The other way to a data connection: the filer listens, and this process connects. Only to addresses of the filer's own
// host, one after the other, each for a bounded time and all of them within one.

import net from 'node:net';
import type { Address } from '@tapestry/contracts';
import { plainAddress } from '@tapestry/ndmp/plain-address';
import { StatusError } from '@tapestry/status';
import { dialTargets } from '../core/peers.ts';

export interface DialSpec {
  /** What the data server says that it listens at. */
  readonly addresses: readonly Address[];
  /** Addresses of the NDMP host: nothing else is dialled. */
  readonly peers: readonly string[];
  /** For one address. */
  readonly dialTimeoutMs: number;
  /** Ends the dialling; what was begun is closed. */
  readonly signal: AbortSignal;
}

/** All addresses together: below the deadline of the call that waits for it. */
const DIAL_MAX_MS = 45_000;
/** A filer has a handful of interfaces; a longer list is no filer's. */
const TARGETS_MAX = 8;

/**
 * The first connection that stands, paused and unread. `onStranger` is told of each address that is not dialled because it
 * is not the host's. Errors: 46 none is, 58 none can be connected to; the signal's reason.
 */
export async function dialFirst(
  { addresses, peers, dialTimeoutMs, signal }: DialSpec,
  onStranger: (address: Address) => void,
): Promise<net.Socket> {
  const { allowed, refused } = dialTargets(addresses, peers);
  refused.forEach(onStranger);
  if (allowed.length === 0) throw notTheHost(addresses, peers);
  const failures: string[] = [];
  const all = AbortSignal.timeout(DIAL_MAX_MS);
  for (const address of allowed.slice(0, TARGETS_MAX)) {
    const timeout = AbortSignal.any([all, AbortSignal.timeout(dialTimeoutMs)]);
    try {
      return await dial(address, signal, timeout);
    } catch (error) {
      signal.throwIfAborted();
      failures.push(`${textOf(address)} ${reasonOf(error, timeout)}`);
    }
    if (all.aborted) break;
  }
  const cure = 'does a firewall let this media server through to its data ports?';
  const text = `cannot connect to where the filer listens: ${failures.join('; ')}: ${cure}`;
  throw new StatusError('cannotConnectToClient', text);
}

function dial(
  { host, port }: Address,
  signal: AbortSignal,
  timeout: AbortSignal,
): Promise<net.Socket> {
  signal.throwIfAborted();
  const ends = AbortSignal.any([signal, timeout]);
  return new Promise((resolve, reject) => {
    const socket = new net.Socket();
    // Before it connects: else it would read before there is a place for what comes.
    socket.pause();
    const onAbort = (): void => fail(ends.reason);
    const fail = (failure: unknown): void => {
      ends.removeEventListener('abort', onAbort);
      socket.off('error', fail);
      socket.on('error', () => undefined);
      socket.destroy();
      reject(failure);
    };
    ends.addEventListener('abort', onAbort, { once: true });
    socket.on('error', fail);
    socket.connect({ host: plainAddress(host), port }, () => {
      ends.removeEventListener('abort', onAbort);
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

function notTheHost(addresses: readonly Address[], peers: readonly string[]): StatusError {
  const named = addresses.map(textOf).join(', ') || 'no address';
  const known = peers.join(', ') || 'none is known';
  const text = `the filer says that it listens at ${named}, which is no address of the NDMP host (${known})`;
  const cure = 'nothing was dialled; if it is one, name it in BPTM_EXTRA_PEERS';
  return new StatusError('accessNotAllowed', `${text}: ${cure}`);
}

function reasonOf(error: unknown, timeout: AbortSignal): string {
  if (timeout.aborted) return 'does not answer';
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'ECONNREFUSED' ? 'refuses' : `fails (${message})`;
}

function textOf({ host, port }: Address): string {
  return `${host} port ${port}`;
}
