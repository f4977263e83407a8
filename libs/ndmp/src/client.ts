// The NDMP client over any transport: typed calls with a deadline each, and handlers for what the
// server posts on its own. One client is one connection; after a failure of the connection every
// call fails with NdmpError "closed", and a new connection needs a new client.

import { md5Answer } from './authentication.ts';
import {
  attrsFromV2,
  type Call,
  type CallOptions,
  MoverClient,
  ScsiClient,
  TapeClient,
} from './client-services.ts';
import { type ClientEvent, ClientSession, type Post } from './client-session.ts';
import { AUTH_TYPE, CONNECTION_STATUS, LOG_TYPE, NDMP_ERROR } from './constants.ts';
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
import type {
  ButypeInfo,
  ClassChoice,
  ClassOffer,
  DeviceInfo,
  LogFile,
  LogMessage,
  NameEntry,
  NdmpAddress,
  Pval,
} from './structures.ts';

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

export interface RecoverRequest {
  butype: string;
  /** The environment saved with the image, restore variables last. */
  env: Pval[];
  names: NameEntry[];
}

/** Backup types that servers of v2 days had. */
const BUTYPE_CANDIDATES: readonly string[] = ['dump', 'tar', 'cpio'];

const CALL_TIMEOUT_MS = 120_000;
const RECORD_BYTES_MAX = 16 * 1024 * 1024;

interface Waiting {
  name: string;
  settle(outcome: { body: unknown } | { error: NdmpError }): void;
}

type Offer = PostBody<'notifyConnectionStatus'>;

export class NdmpClient {
  readonly #transport: NdmpTransport;
  readonly #handlers: NdmpHandlers;
  readonly #callTimeoutMs: number;
  readonly #session: ClientSession;
  readonly #calls = new Map<number, Waiting>();
  #offer: Offer | undefined;
  #offerWaiting: Waiting | undefined;
  #closed: NdmpError | undefined;
  /** Where the stream goes: v2 says it with the start. */
  #mover: NdmpAddress = { type: 'local' };
  readonly tape: TapeClient;
  readonly mover: MoverClient;
  readonly scsi: ScsiClient;

  constructor(options: NdmpClientOptions) {
    this.#transport = options.transport;
    this.#handlers = options.handlers ?? {};
    this.#callTimeoutMs = options.callTimeoutMs ?? CALL_TIMEOUT_MS;
    this.#session = new ClientSession(options.recordBytesMax ?? RECORD_BYTES_MAX);
    const call: Call = (name, body, callOptions) => this.call(name, body, callOptions);
    this.tape = new TapeClient(call);
    this.mover = new MoverClient(call, () => this.version);
    this.scsi = new ScsiClient(call);
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

  /**
   * Waits for the server's greeting and settles the version: the lower of what it offers and
   * `versionMax`, one lower on refusal. Rejects with "refused" when the server takes no connection.
   */
  async connectOpen(
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

  /** Asks for a challenge and answers it. Rejects with notAuthorized on a wrong user or password. */
  async authMd5(user: string, password: string, options: CallOptions = {}): Promise<void> {
    const { attr } = await this.call('configGetAuthAttr', { authType: AUTH_TYPE.md5 }, options);
    if (attr.challenge === undefined) {
      throw new NdmpError('refused', 'configGetAuthAttr', {
        error: NDMP_ERROR.illegalArgs,
        text: 'the server gave no MD5 challenge',
      });
    }
    const digest = md5Answer(password, attr.challenge);
    await this.call('connectClientAuth', { auth: { type: 'md5', user, digest } }, options);
  }

  /** Sends the password in clear: only where the operator allowed it. */
  async authText(user: string, password: string, options: CallOptions = {}): Promise<void> {
    await this.call('connectClientAuth', { auth: { type: 'text', user, password } }, options);
  }

  getHostInfo(options?: CallOptions): Promise<ReplyBody<'configGetHostInfo'>> {
    return this.call('configGetHostInfo', {}, options);
  }

  /** v2 names nobody: only the log-in methods are known. */
  async getServerInfo(options?: CallOptions): Promise<ReplyBody<'configGetServerInfo'>> {
    if (this.version > 2) return this.call('configGetServerInfo', {}, options);
    const { authTypes } = await this.getHostInfo(options);
    return { error: 0, vendor: '', product: '', revision: '', authTypes: authTypes ?? [] };
  }

  /** v2 has no list: there it is asked for each of `candidates`. */
  async getButypeInfo(
    options?: CallOptions,
    candidates: readonly string[] = BUTYPE_CANDIDATES,
  ): Promise<ReplyBody<'configGetButypeInfo'>> {
    if (this.version > 2) return this.call('configGetButypeInfo', {}, options);
    const butypes: ButypeInfo[] = [];
    for (const name of candidates) {
      const attrs = await this.#butypeAttrs(name, options);
      if (attrs !== undefined) butypes.push({ name, defaultEnv: [], attrs });
    }
    return { error: 0, butypes };
  }

  getFsInfo(options?: CallOptions): Promise<ReplyBody<'configGetFsInfo'>> {
    return this.call('configGetFsInfo', {}, options);
  }

  getConnectionTypes(options?: CallOptions): Promise<ReplyBody<'configGetConnectionType'>> {
    return this.call('configGetConnectionType', {}, options);
  }

  async getTapeInfo(options?: CallOptions): Promise<DeviceInfo[]> {
    return (await this.call('configGetTapeInfo', {}, options)).devices;
  }

  async getScsiInfo(options?: CallOptions): Promise<DeviceInfo[]> {
    return (await this.call('configGetScsiInfo', {}, options)).devices;
  }

  /**
   * The extension classes that the server offers; none before v4. Some servers never answer: give a
   * short `timeoutMs`.
   */
  async getExtensions(options?: CallOptions): Promise<ClassOffer[]> {
    if (this.version < 4) return [];
    return (await this.call('configGetExtList', {}, options)).classes;
  }

  /** Chooses classes, once, after `getExtensions`. */
  async setExtensions(selected: ClassChoice[], options?: CallOptions): Promise<void> {
    await this.call('configSetExtList', { selected }, options);
  }

  /** TEST_ECHO of the test extension; `short` in its version 2. */
  async testEcho(body: RequestBody<'testEcho'>, options?: CallOptions) {
    return this.call('testEcho', body, options);
  }

  /** The server opens a data listener; resolves with where it may be reached. `addressType`: ADDR_TYPE. */
  async dataListen(addressType: number, options?: CallOptions): Promise<NdmpAddress> {
    return (await this.call('dataListen', { addressType }, options)).address;
  }

  /**
   * The server connects to `address`; resolves when the connection stands. In v2 it is the start of
   * the operation that connects, and that fails where the connection does.
   */
  async dataConnect(address: NdmpAddress, options?: CallOptions): Promise<void> {
    this.#mover = address;
    if (this.version > 2) await this.call('dataConnect', { address }, options);
  }

  /** Resolves when the backup runs; its end is notifyDataHalted. */
  async startBackup(
    request: { butype: string; env: Pval[] },
    options?: CallOptions,
  ): Promise<void> {
    await this.call('dataStartBackup', { ...request, mover: this.#mover }, options);
  }

  /** Resolves when the recovery runs; answer each notifyDataRead by sending that range. */
  async startRecover(request: RecoverRequest, options?: CallOptions): Promise<void> {
    await this.call('dataStartRecover', { ...request, mover: this.#mover }, options);
  }

  /** Like startRecover, but the server only posts the image's history. */
  async startRecoverHistory(request: RecoverRequest, options?: CallOptions): Promise<void> {
    const body = { ...request, mover: this.#mover };
    await this.call('dataStartRecoverFileHistory', body, options);
  }

  /** DATA_ABORT. NDMJOB refuses it (illegalState) unless an operation is active. */
  async abort(options?: CallOptions): Promise<void> {
    await this.call('dataAbort', {}, options);
  }

  /** DATA_GET_STATE. */
  getState(options?: CallOptions): Promise<ReplyBody<'dataGetState'>> {
    return this.call('dataGetState', {}, options);
  }

  /** DATA_GET_ENV: ask after the halt and before stop, and keep every pair as it came. */
  async getEnv(options?: CallOptions): Promise<Pval[]> {
    return (await this.call('dataGetEnv', {}, options)).env;
  }

  /** DATA_STOP: back to idle, legal only in state halted. */
  async stop(options?: CallOptions): Promise<void> {
    await this.call('dataStop', {}, options);
  }

  async #butypeAttrs(name: string, options?: CallOptions): Promise<number | undefined> {
    try {
      return attrsFromV2((await this.call('configGetButypeAttr', { name }, options)).attrs);
    } catch (error) {
      if (error instanceof NdmpError && error.failure === 'refused') return undefined;
      throw error;
    }
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
      if (post.name === 'notifyMoverPaused') post.body.reason = this.mover.pauseReason(post.body);
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
