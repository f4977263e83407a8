// One control connection: bytes to events, events through the state machine, effects to the world.
// Requests are taken one at a time and in order; while a reply is owed, the next one waits.

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import {
  ADDR_TYPE,
  type AnyRequest,
  CHALLENGE_BYTES,
  CONNECTION_STATUS,
  type Effect,
  encodeHeaderError,
  encodePost,
  encodeRawPost,
  encodeReply,
  HEADER_BYTES,
  historyCode,
  INITIAL_SERVER,
  isDeviceEffect,
  MESSAGE_TYPE,
  messagesOf,
  NDMP_ERROR,
  type NdmpAddress,
  type PostName,
  RecordFramer,
  type ServerEvent,
  type ServerFacts,
  type ServerState,
  type Stamp,
  splitRecord,
  step,
  VERSION_MAX,
  VERSION_MIN,
  XdrReader,
} from '@tapestry/ndmp';
import { dataHost } from './adapters/data-host.ts';
import { DataService } from './adapters/data-service.ts';
import type { DumpDates } from './adapters/dump-dates.ts';
import { answer } from './adapters/host-answers.ts';
import { NO_TAPE, SessionTape } from './adapters/session-tape.ts';
import type { TapeLibrary } from './adapters/tape-library.ts';
import type { WorkerPool } from './adapters/worker-pool.ts';
import type { Config } from './config.ts';
import type { SessionReport } from './core/data-protocol.ts';
import { historyBody } from './core/history-version.ts';
import { type DumpDate, planOperation } from './core/operation-plan.ts';

const RECORD_BYTES_MAX = 16 * 1024 * 1024;
const RECORD_BYTES_MAX_BEFORE_AUTH = 64 * 1024;
const REQUESTS_QUEUED_MAX = 64;
const AUTH_FAILURES_MAX = 5;
const PENALTY_MS = 200;
const AUTH_TIMEOUT_MS = 60_000;
const SHUTDOWN_MS = 2000;

export interface SessionContext {
  readonly config: Config;
  readonly password: string;
  readonly dumpDates: DumpDates;
  readonly pool: WorkerPool;
  /** Undefined when the server offers no tapes. */
  readonly library: TapeLibrary | undefined;
}

export class Session {
  readonly #socket: Socket;
  readonly #context: SessionContext;
  readonly #framer = new RecordFramer(RECORD_BYTES_MAX_BEFORE_AUTH);
  readonly #data: DataService;
  readonly #tape: SessionTape | undefined;
  readonly #queue: Buffer[] = [];
  #state: ServerState = INITIAL_SERVER;
  #sequence = 0;
  #isDraining = false;
  #dumpDate: DumpDate | undefined;
  #untaken = 0;
  /** How DATA_CONNECT, or a start of v2, makes the connection that is under way. */
  #dialling: 'tcp' | 'local' | undefined;
  /** Settles when every event so far had all its effects. */
  #settled: Promise<unknown> = Promise.resolve();

  constructor(socket: Socket, context: SessionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#data = new DataService(context.pool, (report) => this.#onReport(report));
    const { library } = context;
    this.#tape =
      library &&
      new SessionTape({
        library,
        host: this.#localHost(),
        feed: (event) => this.#feed(event),
        dialData: (path) => this.#data.open({ type: 'dialLocal', path }),
      });
  }

  /** Greets and serves until either side closes; resolves then, with everything released. */
  async serve(): Promise<void> {
    const socket = this.#socket;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const authTimer = setTimeout(() => {
      if (this.#state.phase !== 'authed') socket.destroy();
    }, AUTH_TIMEOUT_MS);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('drain', () => this.#acknowledge());
    this.#post('notifyConnectionStatus', {
      reason: CONNECTION_STATUS.connected,
      version: VERSION_MAX,
      text: '',
    });
    await closed;
    clearTimeout(authTimer);
    this.#queue.length = 0;
    await this.#feed({ type: 'lost' });
    await this.#settled;
    this.#data.abort();
    this.#tape?.end();
  }

  /** Tells the DMA that the server goes down, and closes. */
  shutDown(): void {
    this.#post('notifyConnectionStatus', {
      reason: CONNECTION_STATUS.shutdown,
      version: this.#state.version,
      text: 'the server is shutting down',
    });
    this.#data.abort();
    this.#socket.destroySoon();
    setTimeout(() => this.#socket.destroy(), SHUTDOWN_MS).unref(); // a DMA that no longer reads
  }

  #receive(chunk: Buffer): void {
    try {
      this.#framer.push(chunk, (record) => this.#queue.push(record));
    } catch {
      this.#socket.destroy(); // not an NDMP stream: this connection ends, and only this one
      return;
    }
    if (this.#queue.length >= REQUESTS_QUEUED_MAX) this.#socket.pause();
    void this.#drain();
  }

  async #drain(): Promise<void> {
    if (this.#isDraining) return;
    this.#isDraining = true;
    while (this.#queue.length > 0 && this.#state.owed === undefined) {
      const record = this.#queue.shift();
      if (record !== undefined) await this.#handleRecord(record);
    }
    this.#isDraining = false;
    const hasRoom = this.#queue.length < REQUESTS_QUEUED_MAX;
    if (hasRoom && this.#socket.isPaused()) this.#socket.resume();
  }

  async #handleRecord(record: Buffer): Promise<void> {
    if (record.length < HEADER_BYTES) return;
    const { header, body } = splitRecord(record);
    if (header.messageType !== MESSAGE_TYPE.request) return;
    const row = messagesOf(this.#state.version).byCode(header.code);
    if (row?.kind === 'post') return;
    if (row === undefined) {
      this.#headerError(header.code, header.sequence, NDMP_ERROR.notSupported);
      return;
    }
    let request: AnyRequest;
    try {
      const decoded = row.request.decode(new XdrReader(body));
      const { sequence } = header;
      request = { type: 'request', sequence, name: row.name, body: decoded } as AnyRequest;
    } catch {
      this.#headerError(header.code, header.sequence, NDMP_ERROR.xdrDecode);
      return;
    }
    await this.#feed(request);
  }

  #feed(event: ServerEvent): Promise<void> {
    const fed = this.#take(event);
    this.#settled = Promise.allSettled([this.#settled, fed]);
    return fed;
  }

  async #take(event: ServerEvent): Promise<void> {
    const { state, effects } = step(this.#state, event, this.#facts());
    const wasAuthed = this.#state.phase === 'authed';
    this.#state = state;
    if (!wasAuthed && state.phase === 'authed') this.#framer.recordBytesMax = RECORD_BYTES_MAX;
    for (const effect of effects) await this.#perform(effect);
    // An outcome settles the reply that requests in the queue were waiting for.
    if (event.type !== 'request') void this.#drain();
  }

  #facts(): ServerFacts {
    const { config, password } = this.#context;
    return {
      user: config.user,
      password,
      allowText: config.allowTextAuth,
      addressTypes: [ADDR_TYPE.tcp],
      versionMin: VERSION_MIN,
      versionMax: VERSION_MAX,
      authFailuresMax: AUTH_FAILURES_MAX,
      newChallenge: () => randomBytes(CHALLENGE_BYTES),
      bytesProcessed: () => this.#data.bytesProcessed,
      ...this.#tape?.facts,
    };
  }

  async #perform(effect: Effect): Promise<void> {
    if (isDeviceEffect(effect)) {
      const event = this.#tape === undefined ? NO_TAPE : await this.#tape.perform(effect);
      if (event !== undefined) await this.#feed(event);
      return;
    }
    switch (effect.do) {
      case 'reply':
        this.#send((stamp) =>
          encodeReply(stamp, effect.name, effect.sequence, effect.body as never),
        );
        break;
      case 'post':
        this.#post(effect.name, effect.body);
        break;
      case 'penalise':
        await pause(PENALTY_MS * effect.failures);
        break;
      case 'close':
        this.#socket.end(() => this.#socket.destroySoon());
        break;
      case 'answer':
        await this.#answer(effect);
        break;
      case 'listen':
        await this.#listen(effect.addressType);
        break;
      case 'dial':
        await this.#dial(effect);
        break;
      case 'start':
        await this.#start(effect);
        break;
      case 'abortData':
        this.#data.abort();
        break;
      case 'releaseData':
        this.#release(effect.successful);
    }
  }

  async #answer({ name, body }: Extract<Effect, { do: 'answer' }>): Promise<void> {
    const fields = await answer(name, body, {
      version: this.#state.version,
      exports: this.#context.config.exports,
      allowText: this.#context.config.allowTextAuth,
      isAuthenticated: this.#state.phase === 'authed',
      devices: async (service) => (await this.#tape?.list(service)) ?? [],
    });
    await this.#feed({ type: 'answered', body: fields });
  }

  /** LOCAL needs no listener: it is the mover that comes, and it knows the way. */
  async #listen(addressType: number): Promise<void> {
    if (addressType === ADDR_TYPE.tcp) {
      this.#data.open({ type: 'listen', host: this.#localHost() });
    } else await this.#feed({ type: 'listening', address: { type: 'local' } });
  }

  async #dial({ address, endpoints }: Extract<Effect, { do: 'dial' }>): Promise<void> {
    this.#dialling = address.type === 'local' ? 'local' : 'tcp';
    if (address.type !== 'local') this.#data.open({ type: 'dial', endpoints });
    else if (this.#tape?.joinMover() !== true) await this.#dialFailed('no mover waits for it');
  }

  async #dialFailed(text: string): Promise<void> {
    this.#dialling = undefined;
    await this.#feed({ type: 'failed', error: NDMP_ERROR.connect, text });
  }

  async #start(effect: Extract<Effect, { do: 'start' }>): Promise<void> {
    const { config, dumpDates } = this.#context;
    const plan = planOperation(effect, {
      exports: config.exports,
      version: this.#state.version,
      nowNs: BigInt(Date.now()) * 1_000_000n,
      baseOf: (series, level) => dumpDates.baseOf(series, level),
      tokenOf: (series, dateNs) => dumpDates.tokenOf(series, dateNs),
    });
    if ('error' in plan) {
      await this.#feed({ type: 'failed', ...plan });
      return;
    }
    this.#dumpDate = plan.dumpDate;
    await this.#feed({ type: 'started', env: plan.env });
    for (const entry of plan.notes) this.#log(0, entry);
    this.#data.send(plan.order);
  }

  #release(successful: boolean): void {
    if (successful && this.#dumpDate !== undefined) {
      this.#context.dumpDates.record(this.#dumpDate, this.#data.directories);
    }
    this.#dumpDate = undefined;
    this.#data.release();
  }

  #onReport(report: SessionReport): void {
    switch (report.type) {
      case 'listening':
        void this.#feed({ type: 'listening', address: this.#listeningAt(report.port) });
        break;
      case 'connected':
        void this.#connected(report.host, report.port);
        break;
      case 'connectFailed':
        this.#data.abort();
        void this.#dialFailed(report.text);
        break;
      case 'dataRead':
        void this.#feed(report);
        break;
      case 'ended': {
        const names = new Set(report.env.map(({ name }) => name));
        const kept = this.#state.data.env.filter(({ name }) => !names.has(name));
        void this.#feed({ ...report, env: [...kept, ...report.env] });
        break;
      }
      default:
        this.#passOn(report);
    }
  }

  async #connected(host: string, port: number): Promise<void> {
    const dialling = this.#dialling;
    this.#dialling = undefined;
    const how = dialling ?? (this.#state.data.address.type === 'local' ? 'local' : 'tcp');
    const address: NdmpAddress =
      how === 'local' ? { type: 'local' } : { type: 'tcp', endpoints: [{ host, port, env: [] }] };
    if (dialling === 'local') await this.#tape?.dataJoined(true);
    await this.#feed({ type: dialling === undefined ? 'peerConnected' : 'dialled', address });
    if (dialling === undefined) await this.#tape?.dataJoined(false);
  }

  /** Posts that change no state; each is acknowledged to the worker once the socket took it. */
  #passOn(report: Extract<SessionReport, { type: 'history' | 'log' | 'file' }>): void {
    if (report.type === 'history') {
      const { version } = this.#state;
      const body = historyBody(report.kind, Buffer.from(report.body), version);
      this.#send((stamp) => encodeRawPost(stamp, historyCode(report.kind, version), body));
    } else if (report.type === 'log') this.#log(report.logType, report.entry);
    else this.#post('logFile', { name: report.name, status: report.status });
    this.#untaken += 1;
    if (!this.#socket.writableNeedDrain) this.#acknowledge();
  }

  #acknowledge(): void {
    if (this.#untaken === 0) return;
    this.#data.send({ type: 'taken', posts: this.#untaken });
    this.#untaken = 0;
  }

  #log(logType: number, entry: string): void {
    const plain = { messageId: 0, hasAssociatedMessage: 0, associatedSequence: 0 };
    this.#post('logMessage', { logType, entry, ...plain });
  }

  #post(name: PostName, body: Extract<Effect, { do: 'post' }>['body']): void {
    this.#send((stamp) => encodePost(stamp, name, body as never));
  }

  #headerError(code: number, sequence: number, error: number): void {
    this.#send((stamp) => encodeHeaderError(stamp, code, sequence, error));
  }

  #send(encode: (stamp: Stamp) => Buffer): void {
    if (!this.#socket.writable) return;
    this.#sequence += 1;
    const timeStamp = Math.floor(Date.now() / 1000);
    const { version } = this.#state;
    this.#socket.write(encode({ version, sequence: this.#sequence, timeStamp }));
  }

  #localHost(): string {
    return dataHost(this.#socket.localAddress);
  }

  #listeningAt(port: number) {
    const endpoints = [{ host: this.#localHost(), port, env: [] }];
    return { type: 'tcp' as const, endpoints };
  }
}
