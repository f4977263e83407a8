// A drive process: waits warm, serves one stream, or several that share its drive, and ends. It alone holds the drive, and
// ends when its channel to bptm closes, when its lease runs out, or when its stream is over (of several, when bptm says
// so). Data comes and goes here and nowhere else.

import { asStatusError } from '@tapestry/status';
import type { FromDrive, FromSharedDrive, ToDrive, ToSharedDrive } from './messages.ts';
import { StreamSession } from './session.ts';
import { SharedSessions } from './shared-sessions.ts';
import { ThreadLink } from './thread-link.ts';

/** An exit that waits for its last message must not wait for ever. */
const FLUSH_MAX_MS = 2_000;

const thread = new ThreadLink((message, member) => {
  if (member === 0) send(message);
  else shared.report(member, message);
});
const shared = new SharedSessions(thread, send);
let session: StreamSession | undefined;

function send(message: FromDrive | FromSharedDrive): void {
  process.send?.(message, undefined, {}, () => undefined);
}

function leave(last: FromDrive): void {
  setTimeout(() => process.exit(1), FLUSH_MAX_MS).unref();
  if (process.send === undefined) process.exit(1);
  process.send(last, undefined, {}, () => process.exit(0));
}

async function serve(message: ToDrive & { type: 'start' }): Promise<void> {
  const started = new StreamSession(message.order, thread, send);
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

/** No stream shares the drive any more. */
async function giveBack(): Promise<void> {
  await thread.call('closeDrive').catch(() => undefined);
  process.exit(0);
}

process.on('disconnect', () => process.exit(1));
process.on('message', (message: ToDrive | ToSharedDrive) => {
  if (message.type === 'member') shared.hear(message.member, message.message);
  else if (message.type === 'leave') void giveBack();
  else if (message.type === 'start') void serve(message);
  else session?.hear(message);
});
// The parent decides about signals of a terminal; this process follows its channel.
process.on('SIGINT', () => undefined);
process.on('SIGTERM', () => undefined);
send({ type: 'warm' });
