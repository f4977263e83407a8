// The server's side of one connection without its socket: bytes and events in, bytes and effects out.
// It never throws: whatever a peer sends is answered, dropped, or ends this one session with a reason.
// Memory grows with what has arrived, never with what a length word claims.

import { CONNECTION_STATUS, DATA_STATE, NDMP_ERROR } from './constants.ts';
import {
  encodeHeaderError,
  encodePost,
  encodeRawPost,
  encodeReply,
  HEADER_BYTES,
  type Header,
  MESSAGE_TYPE,
  type Stamp,
  splitRecord,
} from './envelope.ts';
import { type HistoryPost, historyCode } from './file-history.ts';
import { RecordFramer } from './framer.ts';
import { messagesOf, type PostBody, type PostName, type RequestName } from './messages.ts';
import { step } from './server-machine.ts';
import {
  type AnyRequest,
  type Effect,
  initialServer,
  type ServerEvent,
  type ServerFacts,
  type ServerState,
} from './server-state.ts';
import { XdrError, XdrReader } from './xdr.ts';

const RECORD_BYTES_MAX = 16 * 1024 * 1024;
const RECORD_BYTES_MAX_BEFORE_AUTH = 64 * 1024;
/** Requests that wait for a reply that is owed, and their bytes: asks the shell to stop reading. */
const QUEUE_FULL = 64;
const QUEUE_BYTES_FULL = 4 * 1024 * 1024;
/** A shell that goes on reading anyway, or a peer that sends far ahead. */
const QUEUE_MAX = 4096;
const QUEUE_BYTES_MAX = 2 * RECORD_BYTES_MAX;
/** Undecodable and out-of-order messages that one connection is forgiven. */
const FAULTS_MAX = 16;

/** What a shell has to do itself: everything but replies and posts, which go out as bytes. */
export type OuterEffect =
  | Exclude<Effect, { do: 'reply' } | { do: 'post' } | { do: 'close' }>
  /** A start is here before its peer: call `startAnyway` with it when no peer has come for a moment. */
  | { readonly do: 'awaitPeer'; readonly sequence: number };

export type ServerOutput =
  | { readonly type: 'send'; readonly bytes: Buffer }
  /** Perform it and `feed` what came of it. After `penalise`, call `resume` when the wait is over. */
  | { readonly type: 'perform'; readonly effect: OuterEffect }
  /** Send what was sent, then close. Comes once, and nothing follows it. A fault is worth a log line. */
  | { readonly type: 'end'; readonly reason: string; readonly isFault: boolean };

export interface ServerSessionOptions {
  /** Asked at each step, so that it may change. */
  readonly facts: () => ServerFacts;
  readonly nowSeconds: () => number;
  /** Called synchronously, in the order of the wire. */
  readonly onOutput: (output: ServerOutput) => void;
  /** False while the peer takes no bytes: no request is begun until `resumeReplies`. */
  readonly canReply?: () => boolean;
}

interface Queued {
  readonly header: Header;
  readonly body: Buffer;
}

const STARTS: ReadonlySet<string> = new Set<RequestName>([
  'dataStartBackup',
  'dataStartRecover',
  'dataStartRecoverFileHistory',
]);

export class ServerSession {
  readonly #options: ServerSessionOptions;
  readonly #framer = new RecordFramer(RECORD_BYTES_MAX_BEFORE_AUTH);
  #queue: Queued[] = [];
  #queuedBytes = 0;
  #state: ServerState;
  #sent = 0;
  #heard: number | undefined;
  #faults = 0;
  #isHeld = false;
  /** The start that waits for its peer, and then the one that does no longer. */
  #awaiting: number | undefined;
  #unawaited: number | undefined;
  #isEnded = false;
  #isDraining = false;

  constructor(options: ServerSessionOptions) {
    this.#options = options;
    this.#state = initialServer(options.facts().versionMax ?? 4);
  }

  get state(): ServerState {
    return this.#state;
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** True while the shell should not read from its socket. */
  get isFull(): boolean {
    return this.#queue.length >= QUEUE_FULL || this.#queuedBytes >= QUEUE_BYTES_FULL;
  }

  /** Requests that wait for their turn. */
  get queuedCount(): number {
    return this.#queue.length;
  }

  /** The first message of a connection: the highest version there is. */
  greet(): void {
    const { version } = this.#state;
    this.#post('notifyConnectionStatus', {
      reason: CONNECTION_STATUS.connected,
      version,
      text: '',
    });
  }

  /** Takes the next bytes of the connection; they are this session's from now on. */
  receive(chunk: Buffer): void {
    if (this.#isEnded) return;
    this.#guarded(() => {
      this.#framer.push(chunk, (record) => this.#take(record));
      this.#drain();
    });
  }

  /** What came of an effect, or happened on its own. */
  feed(event: ServerEvent): void {
    if (this.#isEnded && event.type !== 'lost') return;
    this.#guarded(() => {
      this.#step(event);
      this.#drain();
    });
  }

  /** The wait of a `penalise` is over. */
  resume(): void {
    this.#isHeld = false;
    this.#guarded(() => this.#drain());
  }

  /** The peer takes bytes again. */
  resumeReplies(): void {
    this.#guarded(() => this.#drain());
  }

  /** The wait of an `awaitPeer` is over: the start is taken as it is. */
  startAnyway(sequence: number): void {
    if (this.#awaiting !== sequence) return;
    this.#unawaited = sequence;
    this.#guarded(() => this.#drain());
  }

  /** Posts that change no state: log lines, files done. */
  post<N extends PostName>(name: N, body: PostBody<N>): void {
    this.#guarded(() => this.#post(name, body));
  }

  /** A batch of file history, encoded for this session's version. */
  postHistory({ kind, body }: HistoryPost): void {
    const code = historyCode(kind, this.#state.version);
    this.#guarded(() => this.#send((stamp) => encodeRawPost(stamp, code, body)));
  }

  /** Tells the DMA that the server goes down, gives everything back and ends. */
  shutDown(text: string): void {
    if (this.#isEnded) return;
    const { version } = this.#state;
    this.post('notifyConnectionStatus', { reason: CONNECTION_STATUS.shutdown, version, text });
    this.#end('the server is shutting down', 'inOrder');
  }

  /** The connection is gone, whoever ended it: everything is given back. */
  lose(): void {
    this.#end('the connection was closed', 'inOrder');
  }

  /** Nothing that a peer can do may reach the shell as an exception. */
  #guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      const isPeers =
        error instanceof Error && (error.name === 'FramingError' || error.name === 'XdrError');
      const what = error instanceof Error ? error.message : 'unknown';
      this.#end(isPeers ? what : `internal error: ${what}`);
    }
  }

  #take(record: Buffer): void {
    if (this.#isEnded) return;
    if (record.length < HEADER_BYTES) {
      this.#fault('records too short for a header');
      return;
    }
    const { header, body } = splitRecord(record);
    if (header.messageType !== MESSAGE_TYPE.request) {
      this.#fault('replies to nothing');
      return;
    }
    this.#queue.push({ header, body });
    this.#queuedBytes += record.length;
    this.#drain();
    if (this.#queue.length > QUEUE_MAX || this.#queuedBytes > QUEUE_BYTES_MAX) {
      this.#end('more requests than can wait');
    }
  }

  #mustWait(): boolean {
    if (this.#isEnded || this.#isHeld || this.#isDraining) return true;
    return this.#state.owed !== undefined || this.#options.canReply?.() === false;
  }

  /**
   * A peer that connected, and the start that the DMA sent next, come to us by two ways: the start may be
   * the first here. It waits for the peer, and what is behind it waits as well.
   */
  #awaitsPeer({ header }: Queued): boolean {
    const { data, version } = this.#state;
    const isListening = data.state === DATA_STATE.listen && data.address.type !== 'local';
    const name = messagesOf(version).byCode(header.code)?.name ?? '';
    if (!isListening || !STARTS.has(name) || this.#unawaited === header.sequence) {
      this.#awaiting = undefined;
      return false;
    }
    if (this.#awaiting === header.sequence) return true;
    this.#awaiting = header.sequence;
    const effect = { do: 'awaitPeer', sequence: header.sequence } as const;
    this.#options.onOutput({ type: 'perform', effect });
    return true;
  }

  #drain(): void {
    while (this.#queue.length > 0 && !this.#mustWait()) {
      const [next] = this.#queue;
      if (next === undefined || this.#awaitsPeer(next)) return;
      this.#queue.shift();
      this.#queuedBytes -= next.body.length + HEADER_BYTES;
      this.#isDraining = true;
      try {
        this.#handle(next);
      } finally {
        this.#isDraining = false;
      }
    }
  }

  #handle({ header, body }: Queued): void {
    const row = messagesOf(this.#state.version).byCode(header.code);
    if (row?.kind === 'post') return;
    if (!this.#isInOrder(header)) return;
    if (row === undefined) {
      this.#refuse(header, NDMP_ERROR.notSupported);
      return;
    }
    let request: AnyRequest;
    try {
      const decoded = row.request.decode(new XdrReader(body));
      const { sequence } = header;
      request = { type: 'request', sequence, name: row.name, body: decoded } as AnyRequest;
    } catch (error) {
      if (!(error instanceof XdrError)) throw error;
      this.#refuse(header, NDMP_ERROR.xdrDecode);
      this.#fault('messages that do not decode');
      return;
    }
    this.#step(request);
  }

  /** Numbers must rise. Gaps are let through, unless the letter of the law is asked for. */
  #isInOrder(header: Header): boolean {
    const last = this.#heard;
    const isStrict = this.#options.facts().isStrict === true;
    const ahead = last === undefined ? header.sequence : (header.sequence - last) >>> 0;
    const isRising = last === undefined || (ahead > 0 && ahead < 0x8000_0000);
    if (isStrict ? ahead === 1 : isRising) {
      this.#heard = header.sequence;
      return true;
    }
    this.#refuse(header, NDMP_ERROR.sequenceNumber);
    if (isStrict) this.#end('a message out of order');
    else this.#fault('messages out of order');
    return false;
  }

  #fault(what: string): void {
    this.#faults += 1;
    if (this.#faults >= FAULTS_MAX) this.#end(`too many ${what}`);
  }

  #step(event: ServerEvent): void {
    const wasAuthed = this.#state.phase === 'authed';
    const { state, effects } = step(this.#state, event, this.#options.facts());
    this.#state = state;
    if (!wasAuthed && state.phase === 'authed') this.#framer.recordBytesMax = RECORD_BYTES_MAX;
    for (const effect of effects) this.#perform(effect);
  }

  #perform(effect: Effect): void {
    switch (effect.do) {
      case 'reply':
        this.#send((stamp) =>
          encodeReply(stamp, effect.name, effect.sequence, effect.body as never),
        );
        break;
      case 'post':
        this.#post(effect.name, effect.body as never);
        break;
      case 'close':
        if (this.#state.phase === 'closing') this.#end('the session was closed', 'inOrder');
        else this.#end('too many log-ins were refused');
        break;
      default:
        if (effect.do === 'penalise') this.#isHeld = true;
        this.#options.onOutput({ type: 'perform', effect });
    }
  }

  #post<N extends PostName>(name: N, body: PostBody<N>): void {
    if (!messagesOf(this.#state.version).posts[name].isSpoken) return;
    this.#send((stamp) => encodePost(stamp, name, body));
  }

  #refuse({ code, sequence }: Header, error: number): void {
    this.#send((stamp) => encodeHeaderError(stamp, code, sequence, error));
  }

  #send(encode: (stamp: Stamp) => Buffer): void {
    if (this.#isEnded) return;
    this.#sent = (this.#sent + 1) >>> 0;
    const timeStamp = this.#options.nowSeconds();
    const bytes = encode({ version: this.#state.version, sequence: this.#sent, timeStamp });
    this.#options.onOutput({ type: 'send', bytes });
  }

  /** Once: gives back what is held, then tells the reason. */
  #end(reason: string, how: 'inOrder' | 'fault' = 'fault'): void {
    if (this.#isEnded) return;
    this.#queue = [];
    this.#queuedBytes = 0;
    const { state, effects } = step(this.#state, { type: 'lost' }, this.#options.facts());
    this.#state = state;
    for (const effect of effects) {
      if (effect.do !== 'reply' && effect.do !== 'post' && effect.do !== 'close') {
        this.#options.onOutput({ type: 'perform', effect });
      }
    }
    this.#isEnded = true;
    this.#options.onOutput({ type: 'end', reason, isFault: how === 'fault' });
  }
}
