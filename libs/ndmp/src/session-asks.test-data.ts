// What tests of server sessions say and hear in bytes.

import { expect } from 'vitest';
import { md5Answer } from './authentication.ts';
import { encodeRequest, type Stamp, splitRecord } from './envelope.ts';
import { RecordFramer } from './framer.ts';
import type { NdmpVersion, RequestBody, RequestName } from './messages.ts';
import { SAMPLE_REQUESTS } from './samples.test-data.ts';
import { CHALLENGE } from './server-kit.test-data.ts';
import type { ServerFacts } from './server-state.ts';
import { SessionHarness } from './session-harness.test-data.ts';

/** A request in bytes; its sample body where none is given. */
export function request<N extends RequestName>(
  sequence: number,
  name: N,
  body: RequestBody<N> = SAMPLE_REQUESTS[name] as RequestBody<N>,
  version: NdmpVersion = 4,
): Buffer {
  const stamp: Stamp = { version, sequence, timeStamp: 1 };
  return encodeRequest(stamp, name, body);
}

/** What a server said: [code, reply to, header error], message by message. */
export function said(harness: SessionHarness): number[][] {
  const messages: number[][] = [];
  new RecordFramer(1 << 24).push(harness.sentBytes, (record) => {
    const { code, replySequence, error } = splitRecord(record).header;
    messages.push([code, replySequence, error]);
  });
  return messages;
}

export function opened(changes?: Partial<ServerFacts>): SessionHarness {
  const harness = new SessionHarness(changes);
  harness.session.greet();
  return harness;
}

/** A session that is logged in; the last sequence number is 3. */
export function loggedIn(changes?: Partial<ServerFacts>): SessionHarness {
  const harness = opened(changes);
  const digest = md5Answer('secret', CHALLENGE);
  harness.session.receive(
    Buffer.concat([
      request(1, 'connectOpen', { version: 4 }),
      request(2, 'configGetAuthAttr', { authType: 2 }),
      request(3, 'connectClientAuth', { auth: { type: 'md5', user: 'ndmp', digest } }),
    ]),
  );
  expect(harness.session.state.phase).toBe('authed');
  return harness;
}
