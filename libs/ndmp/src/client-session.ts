// The DMA's side of one connection without its socket: numbers requests, matches replies by
// reply_sequence, tells posts apart. Pure but for its own counters: bytes in, events out.

import {
  decodeReply,
  encodeRequest,
  MESSAGE_TYPE,
  type RawMessage,
  splitRecord,
} from './envelope.ts';
import { type HistoryKind, type HistoryPost, historyCode } from './file-history.ts';
import { RecordFramer } from './framer.ts';
import {
  messagesOf,
  type NdmpVersion,
  type PostBody,
  type PostName,
  type PostRow,
  type RequestBody,
  type RequestName,
} from './messages.ts';
import { XdrError, XdrReader } from './xdr.ts';

type PlainPost = Exclude<PostName, 'fhAddFile' | 'fhAddDir' | 'fhAddNode'>;

/** A decoded post that is not file history. */
export type Post = { [N in PlainPost]: { name: N; body: PostBody<N> } }[PlainPost];

export type ClientEvent =
  | { type: 'reply'; sequence: number; error: number; body: unknown }
  /** The reply to this request came, but its body makes no sense. */
  | { type: 'badReply'; sequence: number; cause: XdrError }
  | { type: 'post'; post: Post }
  | { type: 'history'; post: HistoryPost };

const KINDS: readonly HistoryKind[] = ['file', 'dir', 'node'];

export class ClientSession {
  /** The version spoken; the highest until CONNECT_OPEN settles it. */
  version: NdmpVersion = 4;
  readonly #framer: RecordFramer;
  readonly #waiting = new Map<number, RequestName>();
  #sequence = 0;

  constructor(recordBytesMax: number) {
    this.#framer = new RecordFramer(recordBytesMax);
  }

  /** Requests sent and not yet answered or forgotten. */
  get waitingCount(): number {
    return this.#waiting.size;
  }

  request<N extends RequestName>(
    name: N,
    body: RequestBody<N>,
    timeStamp: number,
  ): { sequence: number; bytes: Buffer } {
    const sequence = this.#sequence + 1;
    const stamp = { version: this.version, sequence, timeStamp };
    const bytes = encodeRequest(stamp, name, body);
    this.#sequence = sequence;
    this.#waiting.set(sequence, name);
    return { sequence, bytes };
  }

  /** The caller no longer waits: a late reply will be dropped. */
  forget(sequence: number): void {
    this.#waiting.delete(sequence);
  }

  /**
   * Takes bytes from the peer and reports what they meant. Unknown posts, replies nobody waits for
   * and records too short for a header are dropped, as the protocol asks. Throws FramingError or
   * XdrError when the stream itself or a known post is broken: the connection must then end.
   */
  receive(chunk: Buffer, onEvent: (event: ClientEvent) => void): void {
    this.#framer.push(chunk, (record) => {
      if (record.length < 24) return;
      const message = splitRecord(record);
      if (message.header.messageType === MESSAGE_TYPE.reply) this.#reply(message, onEvent);
      else if (message.header.messageType === MESSAGE_TYPE.request) this.#post(message, onEvent);
    });
  }

  #reply(message: RawMessage, onEvent: (event: ClientEvent) => void): void {
    const sequence = message.header.replySequence;
    const name = this.#waiting.get(sequence);
    if (name === undefined) return;
    this.#waiting.delete(sequence);
    try {
      onEvent({ type: 'reply', sequence, ...decodeReply(messagesOf(this.version), name, message) });
    } catch (cause) {
      if (!(cause instanceof XdrError)) throw cause;
      onEvent({ type: 'badReply', sequence, cause });
    }
  }

  #post(message: RawMessage, onEvent: (event: ClientEvent) => void): void {
    const { code } = message.header;
    const { version } = this;
    const kind = KINDS.find((each) => historyCode(each, version) === code);
    if (kind !== undefined) {
      const post = { kind, body: message.body };
      onEvent({ type: 'history', post: version === 2 ? { ...post, version } : post });
      return;
    }
    const row = messagesOf(version).byCode(code);
    if (row?.kind !== 'post') return;
    onEvent({ type: 'post', post: decodePost(row, message.body) });
  }
}

function decodePost(row: PostRow, body: Buffer): Post {
  const decoded = row.post.decode(new XdrReader(body));
  return { name: row.name, body: decoded } as Post;
}
