// The end of a filer's connection: told to stop when it still works, given a bounded time, then closed in any case.

import { isOver } from './core/session.ts';
import type { Filer } from './filer.ts';
import type { SessionContext } from './session-context.ts';

export async function endFiler(
  { client, socket, lent }: Filer,
  context: SessionContext,
): Promise<void> {
  const { abortTimeoutMs } = context.parts.config;
  const session = context.session();
  if (!session.halted && !isOver(session) && !client.isClosed) {
    // Refused where nothing is active; closing the connection then ends what there is.
    await client.abort({ timeoutMs: abortTimeoutMs }).catch(() => undefined);
    await client.stop({ timeoutMs: abortTimeoutMs }).catch(() => undefined);
  }
  if (lent === true) {
    context.parts.tapes.handBack(context.lease);
    return;
  }
  client.close();
  setTimeout(() => socket.destroy(), abortTimeoutMs).unref();
}
