// One connection of a DMA over any transport: the greeting and the version, calls with a deadline each,
// and posts handed on in the order of the wire. After a failure of the connection every call fails
// with NdmpError "closed"; a new connection needs a new object.

import type { CallOptions } from './client-services.ts';
import { type ClientEvent, ClientSession, type Post } from './client-session.ts';
import { CONNECTION_STATUS, LOG_TYPE, NDMP_ERROR } from './constants.ts';
import type { HistoryPost } from './file-history.ts';
import {
  isVersion,
  messagesOf,
  type NdmpVersion,
  type PostBody,
  type ReplyBody,
  type RequestBody,
  type RequestName,
} from './messages.ts';
import { NdmpError } from './ndmp-error.ts';
import type { LogFile, LogMessage } from './structures.ts';

/** What the client needs of a connection. Both handlers are set once, before any byte can arrive. */
export interface NdmpTransport {
  /** Sends all bytes in order; may buffer. */
  write(bytes: Uint8Array): void;
  onData(handler: (chunk: Buffer) => void): void;
  /** Called once, when no more data will come; `error` says why if it was not in order. */
  onClose(handler: (error?: Error) => void): void;
  /** Sends what was written, then ends the connection. May be called again. */
  close(): void;
}

/** Called synchronously, in the order of the wire, also before a reply that a caller waits for. */
export interface NdmpHandlers {
  onLogMessage?(message: LogMessage): void;
  onLogFile?(file: LogFile): void;
  /** Keep `post.body` as long as you like. To slow the server down, stop reading the socket. */
  onHistory?(post: HistoryPost): void;
  onNotify?(notification: Notification): void;
  /** The connection is gone; nothing follows. */
  onClose?(error: NdmpError): void;
}

/** Posts that report a change of state. */
export type Notification = Exclude<Post, { name: 'logFile' | 'logMessage' | 'logDebug' }>;

export interface NdmpClientOptions {
  transport: NdmpTransport;
  handlers?: NdmpHandlers;
  /** Deadline of a call that brings none of its own. */
  callTimeoutMs?: number;
  recordBytesMax?: number;
}

const CALL_TIMEOUT_MS = 120_000;
const RECORD_BYTES_MAX = 16 * 1024 * 1024;

interface Waiting {
  name: string;
  settle(outcome: { body: unknown } | { error: NdmpError }): void;
}

type Offer = PostBody<'notifyConnectionStatus'>;

export class ClientConnection {
  readonly #transport: NdmpTransport;
  readonly #handlers: NdmpHandlers;
  readonly #callTimeoutMs: number;
  readonly #session: ClientSession;
  readonly #calls = new Map<number, Waiting>();
  #offer: Offer | undefined;
  #offerWaiting: Waiting | undefined;
  #closed: NdmpError | undefined;

  constructor(options: NdmpClientOptions) {
    this.#transport = options.transport;
    this.#handlers = options.handlers ?? {};
    this.#callTimeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS;
    this.#session = new ClientSession(options.recordBytesMax ?? RECORD_BYTES_MAX);
    this.#transport.onData((chunk) => this.#receive(chunk));
    this.#transport.onClose((cause) => {
      this.#end(new NdmpError('closed', 'connection', cause === undefined ? {} : { cause }));
    });
  }

  get version(): NdmpVersion {
    return this.#session.version;
  }

  get isClosed(): boolean {
    return this.#closed !== undefined;
  }

  /** NdmpClient.connectOpen. */
  async open(
    options: CallOptions & { versionMax?: NdmpVersion } = {},
  ): Promise<{ version: NdmpVersion; text: string }> {
    const offer = await this.#greeting(options);
    if (offer.reason !== CONNECTION_STATUS.connected) {
      const detail = { error: NDMP_ERROR.notAuthorized, text: offer.text || 'connection refused' };
      throw new NdmpError('refused', 'connect', detail);
    }
    const highest = Math.min(offer.version, options.versionMax ?? 4);
    for (const version of [4, 3, 2] as const) {
      if (version > highest) continue;
      if (await this.#tryOpen(version, options)) return { version, text: offer.text };
    }
    throw new NdmpError('refused', 'connectOpen', {
      error: NDMP_ERROR.illegalArgs,
      text: `no common version, the server offers ${offer.version}`,
    });
  }

  /** Says CONNECT_CLOSE and ends the connection, without waiting for the server. */
  close(): void {
    if (this.#closed !== undefined) return;
    const { bytes } = this.#session.request('connectClose', {}, nowSeconds());
    this.#transport.write(bytes);
    this.#transport.close();
    this.#end(new NdmpError('closed', 'connection', { text: 'closed by this side' }));
  }

  /**
   * Any request of the table. Resolves with the reply's body; rejects with NdmpError. A call that
   * timed out or was cancelled leaves the connection usable, its late reply is dropped.
   */
  call<N extends RequestName>(
    name: N,
    body: RequestBody<N>,
    options: CallOptions = {},
  ): Promise<ReplyBody<N>> {
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    if (options.signal?.aborted) return Promise.reject(new NdmpError('cancelled', name));
    if (!messagesOf(this.version).requests[name].isSpoken) {
      const detail = {
        error: NDMP_ERROR.notSupported,
        text: `no such message in v${this.version}`,
      };
      return Promise.reject(new NdmpError('refused', name, detail));
    }
    const { sequence, bytes } = this.#session.request(name, body, nowSeconds());
    const answer = this.#wait<ReplyBody<N>>(name, options, {
      arm: (waiting) => this.#calls.set(sequence, waiting),
      disarm: () => {
        this.#calls.delete(sequence);
        this.#session.forget(sequence);
      },
    });
    this.#transport.write(bytes);
    return answer;
  }

  async #tryOpen(version: NdmpVersion, options: CallOptions): Promise<boolean> {
    this.#session.version = version;
    try {
      await this.call('connectOpen', { version }, options);
      return true;
    } catch (error) {
      const lower: number[] = [NDMP_ERROR.illegalArgs, NDMP_ERROR.notSupported];
      if (error instanceof NdmpError && lower.includes(error.error)) return false;
      throw error;
    }
  }

  #greeting(options: CallOptions): Promise<Offer> {
    if (this.#offer !== undefined) return Promise.resolve(this.#offer);
    if (this.#closed !== undefined) return Promise.reject(this.#closed);
    return this.#wait<Offer>('connect', options, {
      arm: (waiting) => {
        this.#offerWaiting = waiting;
      },
      disarm: () => {
        this.#offerWaiting = undefined;
      },
    });
  }

  /** Settles once: by the peer, by the deadline, by the signal, or by the end of the connection. */
  #wait<T>(
    name: string,
    options: CallOptions,
    slot: { arm(waiting: Waiting): void; disarm(): void },
  ): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      const fail = (failure: 'timedOut' | 'cancelled') => (): void =>
        settle({ error: new NdmpError(failure, name) });
      const onAbort = fail('cancelled');
      const timer = setTimeout(fail('timedOut'), options.timeoutMs ?? this.#callTimeoutMs);
      options.signal?.addEventListener('abort', onAbort, { once: true });
      function settle(outcome: { body: unknown } | { error: NdmpError }): void {
        clearTimeout(timer);
        options.signal?.removeEventListener('abort', onAbort);
        slot.disarm();
        if ('error' in outcome) reject(outcome.error);
        else resolve(outcome.body as T);
      }
      slot.arm({ name, settle });
    });
  }

  #receive(chunk: Buffer): void {
    if (this.#closed !== undefined) return;
    try {
      this.#session.receive(chunk, (event) => this.#dispatch(event));
    } catch (cause) {
      const name = cause instanceof Error ? cause.name : '';
      // Only the peer's faults end the connection; a handler that throws is a bug of its owner.
      if (name !== 'XdrError' && name !== 'FramingError') throw cause;
      this.#end(new NdmpError('protocol', 'connection', { text: String(cause), cause }));
      this.#transport.close();
    }
  }

  #dispatch(event: ClientEvent): void {
    switch (event.type) {
      case 'reply':
        this.#settleReply(event);
        break;
      case 'badReply': {
        const call = this.#calls.get(event.sequence);
        const { cause } = event;
        call?.settle({ error: new NdmpError('protocol', call.name, { cause }) });
        break;
      }
      case 'history':
        this.#handlers.onHistory?.(event.post);
        break;
      case 'post':
        this.#dispatchPost(event.post);
    }
  }

  #settleReply(event: { sequence: number; error: number; body: unknown }): void {
    const call = this.#calls.get(event.sequence);
    if (call === undefined) return;
    const refused = event.error !== NDMP_ERROR.noError || event.body === undefined;
    if (refused) {
      call.settle({ error: new NdmpError('refused', call.name, { error: event.error }) });
    } else call.settle({ body: event.body });
  }

  #dispatchPost(post: Post): void {
    if (post.name === 'logMessage') this.#handlers.onLogMessage?.(post.body);
    else if (post.name === 'logFile') this.#handlers.onLogFile?.(post.body);
    else if (post.name === 'logDebug') this.#handlers.onLogMessage?.(debugMessage(post.body));
    else {
      if (post.name === 'notifyConnectionStatus') this.#takeGreeting(post.body);
      this.#handlers.onNotify?.(post);
    }
  }

  #takeGreeting(offer: Offer): void {
    if (this.#offer !== undefined) return;
    this.#offer = offer;
    // Whatever is asked before CONNECT_OPEN accepts what was offered.
    if (isVersion(offer.version)) this.#session.version = offer.version;
    this.#offerWaiting?.settle({ body: offer });
  }

  #end(error: NdmpError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#offerWaiting?.settle({ error });
    for (const call of [...this.#calls.values()]) {
      const { failure, cause } = error;
      call.settle({ error: new NdmpError(failure, call.name, { cause, text: error.message }) });
    }
    this.#handlers.onClose?.(error);
  }
}

/** LOG_DEBUG of v2 in the words of its successor. */
function debugMessage({ level, text }: PostBody<'logDebug'>): LogMessage {
  const plain = { hasAssociatedMessage: 0, associatedSequence: 0 };
  return { ...plain, logType: LOG_TYPE.debug, messageId: level, entry: text };
}

function nowSeconds(): number {
  return Math.floor(Date.now() / 1000);
}
