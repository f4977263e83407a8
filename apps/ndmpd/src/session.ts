// One control connection: its socket around the server session of `@tapestry/ndmp`, and the effects that
// session asks for, done by the data service, the tape library and what this host knows of itself.

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  ADDR_TYPE,
  CHALLENGE_BYTES,
  type ClassOffer,
  IPV6_CLASS,
  isDeviceEffect,
  NDMP_ERROR,
  type OuterEffect,
  type ServerFacts,
  type ServerOutput,
  ServerSession,
  TEST_CLASS,
  tcpAddress,
  VERSION_MAX,
  VERSION_MIN,
} from '@tapestry/ndmp';
import { plainAddress } from '@tapestry/ndmp/plain-address';
import { type DataHosts, dataHosts } from './adapters/data-host.ts';
import { DataService } from './adapters/data-service.ts';
import type { DumpDates } from './adapters/dump-dates.ts';
import type { EventLog } from './adapters/event-log.ts';
import { answer } from './adapters/host-answers.ts';
import { PeerPolicy } from './adapters/peer-policy.ts';
import { SessionTape } from './adapters/session-tape.ts';
import type { TapeLibrary } from './adapters/tape-library.ts';
import type { TapeThreads } from './adapters/tape-threads.ts';
import type { WorkerPool } from './adapters/worker-pool.ts';
import type { Config } from './config.ts';
import type { SessionReport } from './core/data-protocol.ts';
import { historyBody } from './core/history-version.ts';
import { type DumpDate, planOperation } from './core/operation-plan.ts';

const AUTH_FAILURES_MAX = 5;
const PENALTY_MS = 200;
const AUTH_TIMEOUT_MS = 60_000;
const CLOSE_TIMEOUT_MS = 2000;
/** A data process that a busy host lets wait is still heard; only a DMA that starts with no peer at all waits so long. */
const PEER_WAIT_MS = 2000;
/** The default version of a class comes first. */
const EXTENSIONS: readonly ClassOffer[] = [
  { classId: IPV6_CLASS, versions: [1] },
  { classId: TEST_CLASS, versions: [2, 1] },
];

export interface SessionContext {
  readonly config: Config;
  readonly password: string;
  readonly dumpDates: DumpDates;
  readonly pool: WorkerPool;
  /** Undefined when the server offers no tapes. */
  readonly tapes: { readonly library: TapeLibrary; readonly threads: TapeThreads } | undefined;
  readonly log: EventLog;
}

export class Session {
  readonly #socket: Socket;
  readonly #context: SessionContext;
  readonly #session: ServerSession;
  readonly #data: DataService;
  readonly #tape: SessionTape | undefined;
  readonly #hosts: DataHosts;
  readonly #peer: string;
  /** Effects that are under way. */
  readonly #pending = new Set<Promise<void>>();
  #dumpDate: DumpDate | undefined;
  #untaken = 0;
  /** How DATA_CONNECT, or a start of v2, makes the connection that is under way. */
  #dialling: 'tcp' | 'local' | undefined;
  /** Where the data process listens. */
  #listenHost = '';

  constructor(socket: Socket, context: SessionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#hosts = dataHosts(socket.localAddress);
    this.#peer = plainAddress(socket.remoteAddress ?? 'unknown');
    this.#session = new ServerSession({
      facts: () => this.#facts(),
      nowSeconds: () => Math.floor(Date.now() / 1000),
      onOutput: (output) => this.#onOutput(output),
      canReply: () => !socket.writableNeedDrain,
    });
    this.#data = new DataService(context.pool, (report) => this.#onReport(report));
    this.#tape =
      context.tapes &&
      new SessionTape({
        ...context.tapes,
        hosts: this.#hosts,
        feed: (event) => this.#feed(event),
        dialData: (path) => this.#data.open({ type: 'dialLocal', path }),
      });
  }

  /** Greets and serves until either side closes; resolves then, with everything released. */
  async serve(): Promise<void> {
    const socket = this.#socket;
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    const authTimer = setTimeout(() => {
      if (this.#session.state.phase === 'authed') return;
      this.#log('the session was ended: nobody logged in');
      socket.destroy();
    }, AUTH_TIMEOUT_MS);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('drain', () => this.#onDrain());
    this.#session.greet();
    await closed;
    clearTimeout(authTimer);
    this.#session.lose();
    await Promise.allSettled(this.#pending);
    this.#data.abort();
    await this.#tape?.end();
  }

  /** Tells the DMA that the server goes down, and closes. */
  shutDown(): void {
    this.#session.shutDown('the server is shutting down');
  }

  #receive(chunk: Buffer): void {
    this.#session.receive(chunk);
    this.#regulate();
  }

  #onDrain(): void {
    this.#acknowledge();
    this.#session.resumeReplies();
    this.#regulate();
  }

  #after(ms: number, work: () => void): void {
    setTimeout(() => {
      work();
      this.#regulate();
    }, ms).unref();
  }

  #log(text: string): void {
    this.#context.log({ peer: this.#peer, text });
  }

  /** Reads no more from the socket than can wait. */
  #regulate(): void {
    if (this.#session.isFull) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  #onOutput(output: ServerOutput): void {
    if (output.type === 'send') {
      if (this.#socket.writable) this.#socket.write(output.bytes);
    } else if (output.type === 'end') {
      if (output.isFault) this.#log(`the session was ended: ${output.reason}`);
      this.#socket.end(() => this.#socket.destroySoon());
      // A DMA that reads no more does not keep us.
      setTimeout(() => this.#socket.destroy(), CLOSE_TIMEOUT_MS).unref();
    } else {
      const done = this.#perform(output.effect).catch((error: unknown) => this.#failed(error));
      this.#pending.add(done);
      void done.finally(() => this.#pending.delete(done));
    }
  }

  /** A bug: the request that led here is refused, and the session goes on. */
  #failed(error: unknown): void {
    const text = `internal error: ${error instanceof Error ? error.message : String(error)}`;
    this.#log(text);
    this.#feed({ type: 'failed', error: NDMP_ERROR.undefined, text });
  }

  #feed(event: Parameters<ServerSession['feed']>[0]): void {
    this.#session.feed(event);
    this.#regulate();
  }

  #facts(): ServerFacts {
    const { config, password } = this.#context;
    return {
      user: config.user,
      password,
      allowText: config.allowTextAuth,
      addressTypes: [ADDR_TYPE.tcp, ...(this.#tape ? [ADDR_TYPE.local] : []), ADDR_TYPE.tcp6],
      extensions: EXTENSIONS,
      versionMin: VERSION_MIN,
      versionMax: VERSION_MAX,
      authFailuresMax: AUTH_FAILURES_MAX,
      isStrict: config.strict,
      newChallenge: () => randomBytes(CHALLENGE_BYTES),
      bytesProcessed: () => this.#data.bytesProcessed,
      remaining: () => this.#data.remaining,
      ...this.#tape?.facts,
    };
  }

  async #perform(effect: OuterEffect): Promise<void> {
    if (isDeviceEffect(effect)) {
      const event = await this.#tape?.perform(effect);
      if (event !== undefined) this.#feed(event);
      return;
    }
    switch (effect.do) {
      case 'penalise':
        this.#log(`log-in refused, ${effect.failures} in this session`);
        this.#after(PENALTY_MS * effect.failures, () => this.#session.resume());
        break;
      case 'awaitPeer':
        this.#after(PEER_WAIT_MS, () => this.#session.startAnyway(effect.sequence));
        break;
      case 'answer':
        await this.#answer(effect);
        break;
      case 'listen':
        this.#listen(effect.addressType);
        break;
      case 'dial':
        this.#dial(effect);
        break;
      case 'start':
        this.#start(effect);
        break;
      case 'abortData':
        this.#data.abort();
        break;
      case 'releaseData':
        this.#release(effect.successful);
    }
  }

  async #answer({ name, body }: Extract<OuterEffect, { do: 'answer' }>): Promise<void> {
    const { phase, version } = this.#session.state;
    const fields = await answer(name, body, {
      version,
      exports: this.#context.config.exports,
      allowText: this.#context.config.allowTextAuth,
      isAuthenticated: phase === 'authed',
      devices: async (service) => (await this.#tape?.list(service)) ?? [],
    });
    this.#feed({ type: 'answered', body: fields });
  }

  /** LOCAL needs no listener: it is the mover that comes, and it knows the way. */
  #listen(addressType: number): void {
    if (addressType === ADDR_TYPE.local) {
      this.#feed({ type: 'listening', address: { type: 'local' } });
      return;
    }
    const host = addressType === ADDR_TYPE.tcp6 ? this.#hosts.ipv6 : this.#hosts.ipv4;
    this.#listenHost = host ?? '';
    if (host !== undefined) this.#data.open({ type: 'listen', host });
    else this.#dialFailed('this host has no IPv6 address to listen at');
  }

  #dial({ address, endpoints }: Extract<OuterEffect, { do: 'dial' }>): void {
    this.#dialling = address.type === 'local' ? 'local' : 'tcp';
    const policy = new PeerPolicy(this.#context.config.dataPeers);
    const allowed = endpoints.filter(({ host }) => policy.allows(host));
    if (allowed.length > 0) this.#data.open({ type: 'dial', endpoints: allowed });
    else if (address.type !== 'local') this.#dialFailed('data connections may not go there');
    else if (this.#tape?.joinMover() !== true) this.#dialFailed('no mover waits for it');
  }

  #dialFailed(text: string): void {
    this.#dialling = undefined;
    this.#feed({ type: 'failed', error: NDMP_ERROR.connect, text });
  }

  #start(effect: Extract<OuterEffect, { do: 'start' }>): void {
    const { config, dumpDates } = this.#context;
    const plan = planOperation(effect, {
      exports: config.exports,
      version: this.#session.state.version,
      nowNs: BigInt(Date.now()) * 1_000_000n,
      baseOf: (series, level) => dumpDates.baseOf(series, level),
      sizeOf: (series, kind) => dumpDates.sizeOf(series, kind),
      tokenOf: (series, dateNs) => dumpDates.tokenOf(series, dateNs),
    });
    if ('error' in plan) {
      this.#feed({ type: 'failed', ...plan });
      return;
    }
    this.#dumpDate = plan.dumpDate;
    this.#feed({ type: 'started', env: plan.env });
    for (const entry of plan.notes) this.#tell(0, entry);
    this.#data.start(plan.order, plan.expectedBytes);
  }

  #release(successful: boolean): void {
    if (successful && this.#dumpDate !== undefined) {
      this.#context.dumpDates.record(this.#dumpDate, {
        directories: this.#data.directories,
        bytes: this.#data.bytesProcessed,
      });
    }
    this.#dumpDate = undefined;
    this.#data.release();
  }

  #onReport(report: SessionReport): void {
    switch (report.type) {
      case 'listening':
        this.#feed({ type: 'listening', address: tcpAddress(this.#listenHost, report.port) });
        break;
      case 'connected':
        void this.#connected(report.host, report.port);
        break;
      case 'connectFailed':
        this.#data.abort();
        this.#dialFailed(report.text);
        break;
      case 'dataRead':
        this.#feed(report);
        break;
      case 'ended': {
        const names = new Set(report.env.map(({ name }) => name));
        const kept = this.#session.state.data.env.filter(({ name }) => !names.has(name));
        this.#feed({ ...report, env: [...kept, ...report.env] });
        break;
      }
      default:
        this.#passOn(report);
    }
  }

  async #connected(host: string, port: number): Promise<void> {
    const dialling = this.#dialling;
    this.#dialling = undefined;
    const how = dialling ?? (this.#session.state.data.address.type === 'local' ? 'local' : 'tcp');
    const address = how === 'local' ? LOCAL : tcpAddress(host, port);
    if (dialling === 'local') await this.#tape?.dataJoined(true);
    this.#feed({ type: dialling === undefined ? 'peerConnected' : 'dialled', address });
    if (dialling === undefined) await this.#tape?.dataJoined(false);
  }

  /** Posts that change no state; each is acknowledged to the worker once the socket took it. */
  #passOn(report: Extract<SessionReport, { type: 'history' | 'log' | 'file' }>): void {
    if (report.type === 'history') {
      const { kind, body } = report;
      const { version } = this.#session.state;
      this.#session.postHistory({ kind, body: historyBody(kind, Buffer.from(body), version) });
    } else if (report.type === 'log') this.#tell(report.logType, report.entry);
    else this.#session.post('logFile', { name: report.name, status: report.status });
    this.#untaken += 1;
    if (!this.#socket.writableNeedDrain) this.#acknowledge();
  }

  #acknowledge(): void {
    if (this.#untaken === 0) return;
    this.#data.send({ type: 'taken', posts: this.#untaken });
    this.#untaken = 0;
  }

  /** A log line for the DMA. */
  #tell(logType: number, entry: string): void {
    const plain = { messageId: 0, hasAssociatedMessage: 0, associatedSequence: 0 };
    this.#session.post('logMessage', { logType, entry, ...plain });
  }
}

const LOCAL = { type: 'local' } as const;
