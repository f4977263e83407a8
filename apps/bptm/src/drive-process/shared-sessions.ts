// On the main thread of a drive process: the streams that share its drive, each with a session of its own.

import { asStatusError } from '@tapestry/status';
import { Bell } from './bell.ts';
import type { FromDrive, FromSharedDrive, ToDrive } from './messages.ts';
import { StreamSession } from './session.ts';
import type { ThreadLink } from './thread-link.ts';

export class SharedSessions {
  readonly #thread: ThreadLink;
  readonly #send: (message: FromSharedDrive) => void;
  readonly #sessions = new Map<number, StreamSession>();
  readonly #bell = new Bell();

  constructor(thread: ThreadLink, send: (message: FromSharedDrive) => void) {
    this.#thread = thread;
    this.#send = send;
  }

  hear(member: number, message: ToDrive): void {
    if (message.type !== 'start') {
      this.#sessions.get(member)?.hear(message);
      return;
    }
    const report = (told: FromDrive): void => this.report(member, told);
    const thread = this.#thread.of(member);
    const session = new StreamSession(message.order, thread, report, this.#bell.memory);
    this.#sessions.set(member, session);
    void this.#follow(member, session);
  }

  report(member: number, report: FromDrive): void {
    this.#send({ type: 'member', member, report });
  }

  async #follow(member: number, session: StreamSession): Promise<void> {
    try {
      this.report(member, { type: 'finished', bytes: await session.run() });
    } catch (error) {
      // Told before, when it happened; a failure that was lost on the way is told again.
      const { status, detail } = asStatusError(error, 'tapeMgrSystemError');
      this.report(member, { type: 'failed', failure: { status, detail }, bytes: session.bytes });
    }
    this.#sessions.delete(member);
    this.#send({ type: 'memberEnded', member });
  }
}
