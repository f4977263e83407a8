// What a drive on the network wants of the thread that uses it, and what its failures mean.

import type { StatusError } from '@tapestry/status';

/** Lets the thread hear its sockets: a target drops a session that does not answer its pings. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The way to the drive broke: neither drive nor medium is to blame. By its name, so that its library is loaded by need alone. */
export function isOfConnection({ cause }: StatusError): boolean {
  return cause instanceof Error && cause.name === 'IscsiError';
}
