// A drive process: waits warm, serves one stream, ends. It alone holds the drive, and ends when its channel to bptm
// closes, when its lease runs out, or when its stream is over. Data comes and goes here and nowhere else.

import { asStatusError } from '@tapestry/status';
import type { FromDrive, ToDrive } from './messages.ts';
import { StreamSession } from './session.ts';
import { ThreadLink } from './thread-link.ts';

/** An exit that waits for its last message must not wait for ever. */
const FLUSH_MAX_MS = 2_000;

const thread = new ThreadLink(report);
let session: StreamSession | undefined;

function report(message: FromDrive): void {
  process.send?.(message, undefined, {}, () => undefined);
}

function leave(last: FromDrive): void {
  setTimeout(() => process.exit(1), FLUSH_MAX_MS).unref();
  if (process.send === undefined) process.exit(1);
  process.send(last, undefined, {}, () => process.exit(0));
}

async function serve(message: ToDrive & { type: 'start' }): Promise<void> {
  const started = new StreamSession(message.order, thread, report);
  session = started;
  try {
    const bytes = await started.run();
    leave({ type: 'finished', bytes });
  } catch (error) {
    // Told before, when it happened; a failure that was lost on the way is told again.
    const { status, detail } = asStatusError(error, 'tapeMgrSystemError');
    leave({ type: 'failed', failure: { status, detail }, bytes: started.bytes });
  }
}

process.on('disconnect', () => process.exit(1));
process.on('message', (message: ToDrive) => {
  if (message.type === 'start') void serve(message);
  else session?.hear(message);
});
// The parent decides about signals of a terminal; this process follows its channel.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
report({ type: 'warm' });
