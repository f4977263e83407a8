// One connection to a portal, from login to its end: commands with deadlines, pings, logout. A command that is overdue
// is aborted, then its device reset, then the connection dropped, so that nothing of it can come later.

import { IscsiError } from '../iscsi-error.ts';
import type { Negotiated } from '../login/operational-keys.ts';
import type { CommandOutcome, CommandResponse, ScsiCommand } from '../session/command-task.ts';
import type { FullFeature, Reply } from '../session/full-feature.ts';
import { Initiator, type InitiatorOptions } from '../session/initiator.ts';
import { type Portal, parseTargetAddress } from '../session/send-targets.ts';
import type { AsyncEvent } from '../session/target-messages.ts';
import { AT } from '../wire/pdu.ts';
import { PortalSocket } from './socket.ts';

export interface ConnectionTimeouts {
  readonly connectMs: number;
  readonly loginMs: number;
  /** Silence after which the target is asked whether it lives. */
  readonly pingAfterMs: number;
  /** How long it may take to answer. */
  readonly pongMs: number;
  readonly abortMs: number;
  readonly resetMs: number;
  readonly logoutMs: number;
}

export const DEFAULT_TIMEOUTS: ConnectionTimeouts = {
  connectMs: 10_000,
  loginMs: 15_000,
  pingAfterMs: 5_000,
  // A simple target answers nothing while it waits for its disk.
  pongMs: 30_000,
  abortMs: 10_000,
  resetMs: 20_000,
  logoutMs: 5_000,
};

export interface ConnectionOptions {
  readonly portal: Portal;
  readonly initiator: InitiatorOptions;
  readonly timeouts: ConnectionTimeouts;
  readonly onAsync: (event: AsyncEvent) => void;
  /** The connection has ended, once; not called when it never opened. */
  readonly onEnd: (error: IscsiError) => void;
}

const REDIRECTS_MAX = 4;

export class Connection {
  readonly #options: ConnectionOptions;
  readonly #socket: PortalSocket;
  readonly #initiator: Initiator;
  readonly #fullFeature: FullFeature;
  readonly negotiated: Negotiated;
  #ended: IscsiError | undefined;
  #heardMs = performance.now();
  #pingedMs: number | undefined;
  #pingTimer: NodeJS.Timeout;

  private constructor(options: ConnectionOptions, login: Login) {
    this.#options = options;
    this.#socket = login.socket;
    this.#initiator = login.initiator;
    this.#fullFeature = login.fullFeature;
    this.negotiated = login.negotiated;
    const everyMs = Math.max(10, Math.min(1000, options.timeouts.pingAfterMs / 2));
    this.#pingTimer = setInterval(() => this.#watch(), everyMs).unref();
  }

  /** Connects, follows redirects and logs in. Rejects with `connect`, `login`, `protocol` or `timedOut`. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    let portal = options.portal;
    for (let redirects = 0; redirects <= REDIRECTS_MAX; redirects++) {
      const opened = await Connection.#try(options, portal);
      if (opened instanceof Connection) return opened;
      portal = opened;
    }
    throw new IscsiError('login', `the target redirects more than ${REDIRECTS_MAX} times`);
  }

  static async #try(options: ConnectionOptions, portal: Portal): Promise<Connection | Portal> {
    let connection: Connection | undefined;
    const attempt = new LoginAttempt(options, {
      onAsync: options.onAsync,
      onData: () => connection?.heard(),
      onEnd: (error) => connection?.hasEnded(error),
    });
    const login = await attempt.run(portal);
    if ('host' in login) return login;
    // It may have ended in the same bytes that opened it.
    if (login.initiator.ended) throw login.initiator.ended;
    connection = new Connection(options, login);
    return connection;
  }

  get isOpen(): boolean {
    return this.#ended === undefined;
  }

  get busyCount(): number {
    return this.#fullFeature.busyCount;
  }

  /**
   * Resolves with the device's response, whatever its status. Rejects with `IscsiError`, which says whether the command
   * may have taken effect. Until it settles the command's buffers belong to the connection.
   */
  execute(command: ScsiCommand, timeoutMs: number): Promise<CommandResponse> {
    return new Promise((resolve, reject) => {
      let timer: NodeJS.Timeout | undefined;
      let isOverdue = false;
      let isSettled = false;
      const tag = this.#fullFeature.submit(command, (outcome) => {
        isSettled = true;
        clearTimeout(timer);
        const settle = (): void => settleCommand(outcome, isOverdue, { resolve, reject });
        // A status may come before all data are sent; the buffers are needed until they are.
        if (command.dataOut && outcome.kind === 'response') this.#socket.whenSent(settle);
        else settle();
      });
      if (isSettled) return;
      timer = setTimeout(() => {
        isOverdue = true;
        this.#endOverdue(tag, command.lun);
      }, timeoutMs);
    });
  }

  /** The text of a discovery session. */
  sendTargets(timeoutMs: number): Promise<Buffer> {
    const request = Buffer.from('SendTargets=All\0');
    return this.#ask((settle) => this.#fullFeature.text(request, settle), timeoutMs).then(
      ({ text }) => text,
    );
  }

  /** Ends the session in order where the target still answers, and in any case. Never rejects. */
  async close(): Promise<void> {
    if (!this.isOpen) return;
    const { logoutMs } = this.#options.timeouts;
    await this.#ask((settle) => this.#fullFeature.logout(settle), logoutMs).catch(() => {});
    this.drop(new IscsiError('closed', 'the session was closed'));
  }

  drop(error: IscsiError): void {
    this.#initiator.end(error);
  }

  heard(): void {
    this.#heardMs = performance.now();
  }

  hasEnded(error: IscsiError): void {
    this.#ended = error;
    clearInterval(this.#pingTimer);
    this.#socket.destroy();
    this.#options.onEnd(error);
  }

  #watch(): void {
    const nowMs = performance.now();
    const { pingAfterMs, pongMs } = this.#options.timeouts;
    if (this.#pingedMs === undefined) {
      if (nowMs - this.#heardMs < pingAfterMs) return;
      this.#pingedMs = nowMs;
      this.#fullFeature.ping(() => {});
    } else if (this.#heardMs >= this.#pingedMs) {
      this.#pingedMs = undefined;
    } else if (nowMs - this.#pingedMs > pongMs) {
      this.drop(new IscsiError('closed', 'the target does not answer any more'));
    }
  }

  #endOverdue(tag: number, lun: Buffer): void {
    if (this.#fullFeature.withdraw(tag)) return;
    const { abortMs, resetMs } = this.#options.timeouts;
    const isDone = ({ code }: { code: number }): void => {
      if (code > 1) throw new IscsiError('refused', `task management: ${code}`);
    };
    this.#ask((settle) => this.#fullFeature.abortTask(tag, settle), abortMs)
      .then(isDone)
      .catch(() =>
        this.#ask((done) => this.#fullFeature.endTasks('lunReset', lun, done), resetMs).then(
          isDone,
        ),
      )
      .catch(() => this.drop(new IscsiError('timedOut', 'a command could not be aborted')));
  }

  #ask(
    send: (settle: (reply: Reply) => void) => void,
    timeoutMs: number,
  ): Promise<{ code: number; text: Buffer }> {
    return new Promise((resolve, reject) => {
      const overdue = new IscsiError('timedOut', `no answer within ${timeoutMs} ms`);
      const timer = setTimeout(() => reject(overdue), timeoutMs);
      send((reply) => {
        clearTimeout(timer);
        if (reply instanceof IscsiError) reject(reply);
        else resolve({ code: reply.header[AT.response] ?? 0, text: reply.text });
      });
    });
  }
}

interface Settlers {
  readonly resolve: (response: CommandResponse) => void;
  readonly reject: (error: IscsiError) => void;
}

function settleCommand(
  outcome: CommandOutcome,
  isOverdue: boolean,
  { resolve, reject }: Settlers,
): void {
  if (outcome.kind === 'response') {
    resolve(outcome);
    return;
  }
  const { error } = outcome;
  const { mayHaveTakenEffect } = error;
  reject(
    isOverdue
      ? new IscsiError('timedOut', 'no answer in time', { mayHaveTakenEffect, cause: error })
      : error,
  );
}

interface Login {
  readonly socket: PortalSocket;
  readonly initiator: Initiator;
  readonly fullFeature: FullFeature;
  readonly negotiated: Negotiated;
}

interface LoginEvents {
  readonly onAsync: (event: AsyncEvent) => void;
  readonly onData: () => void;
  readonly onEnd: (error: IscsiError) => void;
}

/** Socket and login up to the full-feature phase, or to the portal that the target names instead. */
class LoginAttempt {
  readonly #options: ConnectionOptions;
  readonly #events: LoginEvents;
  readonly #initiator: Initiator;
  #socket: PortalSocket | undefined;
  #settle:
    | ((result: Omit<Login, 'socket' | 'initiator'> | Portal | IscsiError) => void)
    | undefined;

  constructor(options: ConnectionOptions, events: LoginEvents) {
    this.#options = options;
    this.#events = events;
    this.#initiator = new Initiator(options.initiator, {
      send: (parts) => this.#socket?.send(parts),
      onOpen: (fullFeature, negotiated) => this.#settle?.({ fullFeature, negotiated }),
      onRedirect: (address) => this.#settle?.(parseTargetAddress(address)),
      onAsync: events.onAsync,
      onEnd: (error) => {
        this.#settle?.(error);
        events.onEnd(error);
      },
    });
  }

  async run(portal: Portal): Promise<Login | Portal> {
    const { connectMs, loginMs } = this.#options.timeouts;
    const socket = await PortalSocket.open(portal, connectMs, {
      onData: (chunk) => {
        this.#events.onData();
        this.#initiator.receive(chunk);
      },
      onClose: (error) => this.#initiator.end(error),
    });
    this.#socket = socket;
    const timer = setTimeout(() => {
      this.#initiator.end(new IscsiError('timedOut', `no login within ${loginMs} ms`));
    }, loginMs);
    const result = await new Promise<Omit<Login, 'socket' | 'initiator'> | Portal | IscsiError>(
      (resolve) => {
        this.#settle = resolve;
        this.#initiator.start();
        if (this.#initiator.ended) resolve(this.#initiator.ended);
      },
    );
    clearTimeout(timer);
    this.#settle = undefined;
    if ('fullFeature' in result) return { ...result, socket, initiator: this.#initiator };
    socket.destroy();
    if (result instanceof IscsiError) throw result;
    return result;
  }
}
