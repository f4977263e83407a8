// A session with one target that outlives its connections: it logs in when it is needed and, after a loss, anew under the
// same name, which ends whatever the target kept of the old one. Nothing is sent twice; who was under way is told.

import { IscsiError } from '../iscsi-error.ts';
import type { ChapCredentials } from '../login/chap.ts';
import type { DigestChoice, Negotiated } from '../login/operational-keys.ts';
import type { ScsiRequest, ScsiResult, ScsiTransport } from '../scsi/transport.ts';
import type { InitiatorOptions } from '../session/initiator.ts';
import { type Portal, parseSendTargets, type TargetRecord } from '../session/send-targets.ts';
import type { AsyncEvent } from '../session/target-messages.ts';
import { encodeLun } from '../wire/pdu.ts';
import { Connection, type ConnectionTimeouts, DEFAULT_TIMEOUTS } from './connection.ts';

export interface PortalOptions {
  readonly portal: Portal;
  readonly initiatorName: string;
  /**
   * Six bytes that stay the same for this host, role and target, see `makeIsid`: a process that was killed takes its own
   * session over again. Two users of one target at a time need two, else each ends the other's session.
   */
  readonly isid: Uint8Array;
  /** The secret's bytes stay with the caller and go nowhere but into the proof. */
  readonly chap?: ChapCredentials;
  /** Default `allowed`: where the target insists. */
  readonly headerDigest?: DigestChoice;
  readonly dataDigest?: DigestChoice;
  readonly timeouts?: Partial<ConnectionTimeouts>;
}

export interface SessionOptions extends PortalOptions {
  readonly targetName: string;
  /** Longest data segment that we take; default 1 MiB. */
  readonly receiveSegmentBytes?: number;
  readonly maxBurstBytes?: number;
  readonly firstBurstBytes?: number;
  /** Commands under way and waiting; default 64. One more fails with `busy`. */
  readonly commandsMax?: number;
  readonly onAsync?: (event: AsyncEvent) => void;
  /** The connection was lost; the next command logs in anew. */
  readonly onLost?: (error: IscsiError) => void;
}

const MIB = 1024 * 1024;
const DRAIN_POLL_MS = 20;
const BACK_OFF_MAX_MS = 30_000;
const REFUSED_PAUSE_MS = 60_000;

export class IscsiSession {
  readonly #options: SessionOptions;
  readonly #timeouts: ConnectionTimeouts;
  #connection: Connection | undefined;
  #connecting: Promise<Connection> | undefined;
  #leaving: Promise<void> | undefined;
  #nexus = 0;
  #failures = 0;
  #lastFailure: IscsiError | undefined;
  #notBeforeMs = 0;
  #isClosed = false;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  }

  /** Grows with each login; 0 while no connection stands. */
  get nexus(): number {
    return this.#connection?.isOpen ? this.#nexus : 0;
  }

  /** What the connection that stands was agreed on. */
  get negotiated(): Negotiated | undefined {
    return this.#connection?.negotiated;
  }

  /** Logs in unless a connection stands. */
  async connect(timeoutMs: number): Promise<number> {
    await this.#connected(performance.now() + timeoutMs);
    return this.#nexus;
  }

  /** One logical unit behind the target. */
  device(lun: number): ScsiTransport {
    const bytes = encodeLun(lun);
    const session = this;
    return {
      get nexus() {
        return session.nexus;
      },
      connect: (timeoutMs) => this.connect(timeoutMs),
      execute: (request) => this.#execute(bytes, request),
    };
  }

  /** Ends the session at the target. What is under way fails. Safe to call twice; never rejects. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#connecting?.catch(() => {});
    await this.#leaving;
    await this.#connection?.close();
  }

  async #execute(lun: Buffer, request: ScsiRequest): Promise<ScsiResult> {
    const deadlineMs = performance.now() + request.timeoutMs;
    const { nexus, dataOut, dataIn, cdb } = request;
    // No login for a command that would not be sent: it might put another user out of this seat.
    if (nexus !== undefined && nexus !== this.nexus) throw staleNexus();
    const connection = await this.#connected(deadlineMs);
    if (nexus !== undefined && nexus !== this.#nexus) throw staleNexus();
    const data = dataIn ? { dataIn } : dataOut ? { dataOut } : {};
    const leftMs = Math.max(1, deadlineMs - performance.now());
    const response = await connection.execute({ lun, cdb, ...data }, leftMs);
    return {
      status: response.status,
      sense: response.sense,
      data: dataIn?.subarray(0, response.receivedBytes) ?? Buffer.alloc(0),
      residualBytes: response.residualBytes,
    };
  }

  async #connected(deadlineMs: number): Promise<Connection> {
    await this.#leaving;
    if (this.#isClosed) throw new IscsiError('closed', 'the session was closed');
    if (this.#connection?.isOpen) return this.#connection;
    if (!this.#connecting) await this.#backOff(deadlineMs);
    if (this.#isClosed) throw new IscsiError('closed', 'the session was closed');
    this.#connecting ??= this.#login().finally(() => {
      this.#connecting = undefined;
    });
    return within(this.#connecting, deadlineMs);
  }

  /** After failures a login waits; a refusal that will come again is not provoked at once. */
  async #backOff(deadlineMs: number): Promise<void> {
    const nowMs = performance.now();
    const waitMs = this.#notBeforeMs - nowMs;
    if (waitMs <= 0 || this.#lastFailure === undefined) return;
    if (this.#lastFailure.isPermanent || this.#notBeforeMs >= deadlineMs) {
      throw this.#lastFailure.forCommand(false);
    }
    await new Promise((resolve) => setTimeout(resolve, waitMs));
  }

  async #login(): Promise<Connection> {
    try {
      const connection = await Connection.open({
        portal: this.#options.portal,
        initiator: initiatorOptions(this.#options, this.#options.targetName),
        timeouts: this.#timeouts,
        onAsync: (event) => this.#onAsync(event),
        onEnd: (error) => {
          if (!this.#isClosed) this.#options.onLost?.(error);
        },
      });
      this.#connection = connection;
      this.#nexus += 1;
      this.#failures = 0;
      return connection;
    } catch (error) {
      if (!(error instanceof IscsiError)) throw error;
      this.#failures += 1;
      const backOffMs = Math.min(BACK_OFF_MAX_MS, 250 * 2 ** Math.min(this.#failures, 10));
      this.#lastFailure = error;
      this.#notBeforeMs = performance.now() + (error.isPermanent ? REFUSED_PAUSE_MS : backOffMs);
      throw error;
    }
  }

  #onAsync(event: AsyncEvent): void {
    const connection = this.#connection;
    if (event.kind === 'connectionLost') {
      connection?.drop(new IscsiError('closed', 'the target drops the connection'));
    } else if (event.kind === 'logoutWanted' && connection) {
      this.#leaving ??= this.#leave(connection, event.withinSeconds).finally(() => {
        this.#leaving = undefined;
      });
    }
    this.#options.onAsync?.(event);
  }

  /** The target wants us gone: new commands wait, those under way get most of the time that it gives. */
  async #leave(connection: Connection, withinSeconds: number): Promise<void> {
    const untilMs = performance.now() + withinSeconds * 800;
    while (connection.isOpen && connection.busyCount > 0 && performance.now() < untilMs) {
      await new Promise((resolve) => setTimeout(resolve, DRAIN_POLL_MS));
    }
    await connection.close();
  }
}

function staleNexus(): IscsiError {
  return new IscsiError('nexusLost', 'the connection was lost; nothing was sent');
}

/** The targets behind a portal. Rejects with `IscsiError`. */
export async function discoverTargets(options: PortalOptions): Promise<TargetRecord[]> {
  const timeouts = { ...DEFAULT_TIMEOUTS, ...options.timeouts };
  const connection = await Connection.open({
    portal: options.portal,
    initiator: initiatorOptions(options, undefined),
    timeouts,
    onAsync: () => {},
    onEnd: () => {},
  });
  try {
    return parseSendTargets(await connection.sendTargets(timeouts.loginMs));
  } finally {
    await connection.close();
  }
}

function initiatorOptions(
  options: PortalOptions & Partial<SessionOptions>,
  targetName: string | undefined,
): InitiatorOptions {
  const { initiatorName, isid, chap } = options;
  // For a few words of text nobody insists on sums, and emulations trip over them.
  const digest: DigestChoice = targetName === undefined ? 'off' : 'allowed';
  return {
    initiatorName,
    targetName,
    isid,
    ...(chap ? { chap } : {}),
    commandsMax: options.commandsMax ?? 64,
    wishes: {
      isDiscovery: targetName === undefined,
      headerDigest: options.headerDigest ?? digest,
      dataDigest: options.dataDigest ?? digest,
      receiveSegmentBytes: options.receiveSegmentBytes ?? MIB,
      maxBurstBytes: options.maxBurstBytes ?? 16 * MIB - 1024,
      firstBurstBytes: options.firstBurstBytes ?? MIB,
      initialR2T: false,
      immediateData: true,
    },
  };
}

async function within<T>(promise: Promise<T>, deadlineMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    const error = new IscsiError('timedOut', 'no connection in time; nothing was sent');
    timer = setTimeout(() => reject(error), Math.max(1, deadlineMs - performance.now()));
  });
  try {
    return await Promise.race([promise, overdue]);
  } finally {
    clearTimeout(timer);
  }
}
