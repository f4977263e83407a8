// One control connection: its socket around the server session of `@tapestry/ndmp`, and the effects that
// session asks for, done by the data service, the tape library and what this host knows of itself.

import { randomBytes } from 'node:crypto';
import type { Socket } from 'node:net';
import {
  ADDR_TYPE,
  CHALLENGE_BYTES,
  DATA_STATE,
  isDeviceEffect,
  NDMP_ERROR,
  type NdmpAddress,
  type OuterEffect,
  type ServerFacts,
  type ServerOutput,
  ServerSession,
  VERSION_MAX,
  VERSION_MIN,
} from '@tapestry/ndmp';
import { dataHost } from './adapters/data-host.ts';
import { DataService } from './adapters/data-service.ts';
import type { DumpDates } from './adapters/dump-dates.ts';
import { answer } from './adapters/host-answers.ts';
import { PeerPolicy } from './adapters/peer-policy.ts';
import { SessionTape } from './adapters/session-tape.ts';
import type { TapeLibrary } from './adapters/tape-library.ts';
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
/** DATA_START_BACKUP, DATA_START_RECOVER and DATA_START_RECOVER_FILEHIST; where a record's message code stands. */
const STARTS: ReadonlySet<number> = new Set([0x401, 0x402, 0x40b]);
const MESSAGE_CODE_AT = 16;

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
  readonly #session: ServerSession;
  readonly #data: DataService;
  readonly #tape: SessionTape | undefined;
  /** Effects that are under way. */
  readonly #pending = new Set<Promise<void>>();
  #dumpDate: DumpDate | undefined;
  #untaken = 0;
  /** How DATA_CONNECT, or a start of v2, makes the connection that is under way. */
  #dialling: 'tcp' | 'local' | undefined;
  /** Takes the request that waits for the peer of a listening data process. */
  #onPeer: (() => void) | undefined;

  constructor(socket: Socket, context: SessionContext) {
    this.#socket = socket;
    this.#context = context;
    this.#session = new ServerSession({
      facts: () => this.#facts(),
      nowSeconds: () => Math.floor(Date.now() / 1000),
      onOutput: (output) => this.#onOutput(output),
    });
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
      if (this.#session.state.phase !== 'authed') socket.destroy();
    }, AUTH_TIMEOUT_MS);
    socket.on('error', () => socket.destroy());
    socket.on('data', (chunk) => this.#receive(chunk));
    socket.on('drain', () => this.#acknowledge());
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

  /**
   * While the data process listens, the peer may have come and the word of it still be on its way, with a start right
   * behind: what arrives then waits for that word, for a moment.
   */
  #receive(chunk: Buffer): void {
    const { state, address } = this.#session.state.data;
    const take = (): void => {
      this.#session.receive(chunk);
      this.#regulate();
    };
    if (state !== DATA_STATE.listen || address.type !== 'tcp' || !isStart(chunk)) {
      take();
      return;
    }
    this.#socket.pause();
    const timer = setTimeout(() => this.#onPeer?.(), PEER_WAIT_MS);
    this.#onPeer = () => {
      clearTimeout(timer);
      this.#onPeer = undefined;
      take();
    };
  }

  /** Reads no more from the socket than can wait. */
  #regulate(): void {
    if (this.#session.isFull || this.#onPeer !== undefined) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }

  #onOutput(output: ServerOutput): void {
    if (output.type === 'send') {
      if (this.#socket.writable) this.#socket.write(output.bytes);
    } else if (output.type === 'end') {
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
    const text = error instanceof Error ? error.message : String(error);
    this.#feed({ type: 'failed', error: NDMP_ERROR.undefined, text: `internal error: ${text}` });
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
      addressTypes: [ADDR_TYPE.tcp],
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
        setTimeout(() => this.#session.resume(), PENALTY_MS * effect.failures).unref();
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
    if (addressType === ADDR_TYPE.tcp) {
      this.#data.open({ type: 'listen', host: this.#localHost() });
    } else this.#feed({ type: 'listening', address: { type: 'local' } });
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
    for (const entry of plan.notes) this.#log(0, entry);
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
        this.#feed({ type: 'listening', address: this.#listeningAt(report.port) });
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
    const address: NdmpAddress =
      how === 'local' ? { type: 'local' } : { type: 'tcp', endpoints: [{ host, port, env: [] }] };
    if (dialling === 'local') await this.#tape?.dataJoined(true);
    this.#feed({ type: dialling === undefined ? 'peerConnected' : 'dialled', address });
    if (dialling === undefined) {
      this.#onPeer?.();
      await this.#tape?.dataJoined(false);
    }
  }

  /** Posts that change no state; each is acknowledged to the worker once the socket took it. */
  #passOn(report: Extract<SessionReport, { type: 'history' | 'log' | 'file' }>): void {
    if (report.type === 'history') {
      const { kind, body } = report;
      const { version } = this.#session.state;
      this.#session.postHistory({ kind, body: historyBody(kind, Buffer.from(body), version) });
    } else if (report.type === 'log') this.#log(report.logType, report.entry);
    else this.#session.post('logFile', { name: report.name, status: report.status });
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
    this.#session.post('logMessage', { logType, entry, ...plain });
  }

  #localHost(): string {
    return dataHost(this.#socket.localAddress);
  }

  #listeningAt(port: number) {
    const endpoints = [{ host: this.#localHost(), port, env: [] }];
    return { type: 'tcp' as const, endpoints };
  }
}

/** Of a chunk that begins with a record, as all but those of a hurried DMA do. */
function isStart(chunk: Buffer): boolean {
  const end = MESSAGE_CODE_AT + Uint32Array.BYTES_PER_ELEMENT;
  return chunk.length >= end && STARTS.has(chunk.readUInt32BE(MESSAGE_CODE_AT));
}
