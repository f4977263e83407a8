// Replies in their simplest form: only the error word matters, every other field is zero or empty.

import type { RequestName } from './messages.ts';
import { messagesOf } from './messages.ts';
import type { Effect } from './server-state.ts';
import { XdrReader } from './xdr.ts';

// All-zero bytes decode to zeros, empty strings and empty arrays in every reply of the table.
const ZEROS = Buffer.alloc(512);

/** A reply body with this error and nothing else in it. */
export function blankReply(name: RequestName, error: number): Record<string, unknown> {
  const body = messagesOf(4).requests[name].reply.decode(new XdrReader(ZEROS));
  return 'error' in body ? { ...body, error } : { ...body };
}

export function replyWith(
  name: RequestName,
  sequence: number,
  error: number,
  fields: Record<string, unknown> = {},
): Effect {
  return { do: 'reply', name, sequence, body: { ...blankReply(name, error), ...fields } };
}
