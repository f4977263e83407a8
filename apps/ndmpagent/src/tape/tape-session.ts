// One open drive of an NDMP host: the connection that holds it, what bptm has done with drive and mover, one thing after
// the other, and the local DATA operation that may share the connection. It ends with its orders, its silence or its peer.

import type { TapeCallReply, TapeCallRequest } from '@tapestry/contracts';
import { isRefusal, NDMP_ERROR, type NdmpHandlers } from '@tapestry/ndmp';
import { attemptKey, type Lease } from '@tapestry/runtime/fence';
import { asStatusError, StatusError, type StatusName } from '@tapestry/status';
import { fetchAccess } from '../adapters/credential.ts';
import { callFailure, withWords } from '../core/outcome.ts';
import type { Filer } from '../filer.ts';
import { FilerLog } from '../filer-log.ts';
import type { AgentParts } from '../session-context.ts';
import { openWithin } from '../session-filer.ts';
import { MoverOrders } from './mover-orders.ts';
import { MoverWatch } from './mover-watch.ts';
import { NdmpDrive } from './ndmp-drive.ts';
import { EMPTY_REPLY, performOnDrive } from './tape-calls.ts';
import { openTapePort } from './tape-port.ts';

export interface TapePlace {
  readonly ndmpHost: string;
  readonly device: string;
  readonly writes: boolean;
}

interface OpenTape {
  readonly filer: Filer;
  /** Another one after each exchange of tapes. */
  drive: NdmpDrive;
  readonly orders: MoverOrders;
}

const SILENCE_LOOKS = 4;

export class TapeSession {
  readonly lease: Lease;
  readonly place: TapePlace;
  readonly mover = new MoverWatch();
  readonly #parts: AgentParts;
  readonly #log: FilerLog;
  readonly #end = new AbortController();
  readonly #opened: Promise<OpenTape>;
  /** Handlers of the DATA operation that shares the connection. */
  #data: NdmpHandlers | undefined;
  #last: { sequence: number; answer: Promise<TapeCallReply> } | undefined;
  #heardMs: number;
  #silence: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;

  constructor(parts: AgentParts, lease: Lease, place: TapePlace) {
    this.#parts = parts;
    this.lease = lease;
    this.place = place;
    this.#log = new FilerLog(parts.bus, lease);
    this.#heardMs = performance.now();
    this.#opened = this.#open();
    this.#opened.catch(() => undefined);
    const { tapeSilentMs } = parts.config;
    this.#silence = setInterval(() => this.#lookAtSilence(), tapeSilentMs / SILENCE_LOOKS);
  }

  get isOver(): boolean {
    return this.#closing !== undefined;
  }

  /** Resolves when the drive is open and holds a tape. Errors: 41, 47, 58, 83, 97, 99, 2037. */
  async ready(): Promise<{ fixedBlockBytes: number }> {
    this.heard();
    const { drive } = await this.#opened;
    return { fixedBlockBytes: await drive.fixedBlockBytes() };
  }

  /** bptm asks or watches: it lives. */
  heard(): void {
    this.#heardMs = performance.now();
  }

  call(request: TapeCallRequest): Promise<TapeCallReply> {
    this.heard();
    const { sequence } = request;
    const last = this.#last;
    if (last?.sequence === sequence) return last.answer;
    if (sequence !== (last?.sequence ?? 0) + 1) {
      const detail = `operation ${sequence} of the tape session follows ${last?.sequence ?? 0}`;
      return Promise.reject(new StatusError('invalidRequest', detail));
    }
    const before = last?.answer.catch(() => undefined) ?? Promise.resolve();
    const answer = before.then(() => this.#perform(request));
    answer.catch(() => undefined);
    this.#last = { sequence, answer };
    return answer;
  }

  /** The connection, for a DATA operation on the same host. Errors: 99 it is another host's, or serves one already. */
  async lend(host: string, handlers: NdmpHandlers): Promise<Filer> {
    if (host !== this.place.ndmpHost || this.#data !== undefined) {
      const detail = `the tape session of ${this.place.ndmpHost} cannot serve the data of ${host}`;
      throw new StatusError('ndmpFailed', detail);
    }
    this.#data = handlers;
    const { filer } = await this.#opened;
    return { ...filer, lent: true };
  }

  handBack(): void {
    this.#data = undefined;
  }

  /** Ends the mover and gives the drive back. Safe to call twice; every wait in it is bounded. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #open(): Promise<OpenTape> {
    const { nbemm, config } = this.#parts;
    const { ndmpHost, device } = this.place;
    const signal = this.#signal;
    const access = await fetchAccess(nbemm, this.lease, ndmpHost, signal);
    const sessionName = `${attemptKey(this.lease.attempt)} tape`;
    const ask = { host: ndmpHost, access, handlers: this.#handlers(), signal, sessionName };
    const filer = await openWithin(this.#parts, ask).catch((error: unknown) => {
      throw withWords(error, this.#log.tail);
    });
    const { client } = filer;
    const { motionTimeoutMs } = config;
    try {
      const drive = await this.#openDrive(filer);
      const orders = new MoverOrders({ client, timeoutMs: motionTimeoutMs, watch: this.mover });
      void this.mover.run(client, config.pollEveryMs, signal);
      this.#log.tell('tape-open', `opened drive ${device} of NDMP host ${ndmpHost}`);
      return { filer, drive, orders };
    } catch (error) {
      client.close();
      const doing = `open the drive ${device}`;
      const failure = callFailure(error, { host: ndmpHost, doing, logTail: this.#log.tail });
      const { detail, context } = failure;
      throw new StatusError(openStatus(error), detail, context, { cause: error });
    }
  }

  get #signal(): AbortSignal {
    return AbortSignal.any([this.#end.signal, this.#parts.stopping]);
  }

  async #openDrive({ client }: Pick<Filer, 'client'>): Promise<NdmpDrive> {
    const { ndmpHost, device, writes } = this.place;
    const { loadTimeoutMs, motionTimeoutMs } = this.#parts.config;
    const opening = { client, device, writes, loadTimeoutMs, motionTimeoutMs };
    const port = await openTapePort({ ...opening, signal: this.#signal });
    return new NdmpDrive(port, `${ndmpHost} ${device}`);
  }

  /** Words and posts go to the DATA operation while there is one, all of the mover to its watch. */
  #handlers(): NdmpHandlers {
    return {
      onLogMessage: (message) => {
        if (this.#data?.onLogMessage) this.#data.onLogMessage(message);
        else this.#log.hear(message);
      },
      onLogFile: (file) => this.#data?.onLogFile?.(file),
      onHistory: (post) => this.#data?.onHistory?.(post),
      onNotify: (post) => {
        this.mover.hear(post);
        this.#data?.onNotify?.(post);
      },
      onClose: (error) => {
        this.#data?.onClose?.(error);
        if (this.#end.signal.aborted) return;
        const detail = `the NDMP connection to ${this.place.ndmpHost} that holds the drive was lost`;
        this.mover.fail(new StatusError('mediaOpenError', detail));
      },
    };
  }

  async #perform(request: TapeCallRequest): Promise<TapeCallReply> {
    const opened = await this.#opened;
    const { drive, orders } = opened;
    if (this.#end.signal.aborted) throw new StatusError('notFound', 'the tape session is over');
    try {
      if (request.operation === 'TAPE_OPERATION_CLOSE_DRIVE') {
        await drive.close();
        return EMPTY_REPLY;
      }
      if (request.operation === 'TAPE_OPERATION_OPEN_DRIVE') {
        opened.drive = await this.#openDrive(opened.filer);
        return EMPTY_REPLY;
      }
      return (await orders.perform(request)) ?? (await performOnDrive(drive, request));
    } catch (error) {
      const { ndmpHost, device } = this.place;
      if (error instanceof StatusError) throw error;
      throw callFailure(error, { host: ndmpHost, doing: `use ${device}`, logTail: this.#log.tail });
    }
  }

  #lookAtSilence(): void {
    if (performance.now() - this.#heardMs < this.#parts.config.tapeSilentMs) return;
    const { log } = this.#parts;
    log.warn({ tape: this.place }, 'nobody asks for a tape session any more: it is closed');
    void this.close();
  }

  async #close(): Promise<void> {
    clearInterval(this.#silence);
    const late = setTimeout(() => this.#end.abort(new Error('closed')), CLOSE_MAX_MS);
    try {
      const { filer, drive, orders } = await this.#opened;
      await orders.stop();
      await drive.close().catch((error: unknown) => {
        const { detail } = asStatusError(error);
        this.#log.tell('tape-close', `the drive was not closed well: ${detail}`, 'warning');
      });
      filer.client.close();
      setTimeout(() => filer.socket.destroy(), this.#parts.config.abortTimeoutMs).unref();
    } catch {
      // It was never open, or its connection is lost: then the host has given the drive back by itself.
    } finally {
      clearTimeout(late);
      this.#end.abort(new Error('closed'));
    }
  }
}

const CLOSE_MAX_MS = 45_000;

/** Somebody else has it open, nothing is in it, or it cannot be used. */
function openStatus(error: unknown): StatusName {
  if (isRefusal(error, NDMP_ERROR.deviceBusy)) return 'mediaInUse';
  return isRefusal(error, NDMP_ERROR.noTapeLoaded) ? 'driveNotReady' : 'mediaOpenError';
}
