// One connection of an initiator without its socket: bytes in, bytes and events out. Login, then the full-feature phase.
// Whatever the target sends, nothing throws out of here: a broken conversation ends with `onEnd`, once.

import { randomBytes } from 'node:crypto';
import { IscsiError, protocolError } from '../iscsi-error.ts';
import { LoginMachine, type LoginOptions, type LoginStep } from '../login/login-machine.ts';
import type { Negotiated } from '../login/operational-keys.ts';
import { encodePdu } from '../wire/pdu.ts';
import { PduFramer } from '../wire/pdu-framer.ts';
import { FullFeature } from './full-feature.ts';
import type { AsyncEvent } from './target-messages.ts';

export interface InitiatorEvents {
  readonly send: (parts: readonly Uint8Array[]) => void;
  /** The login is done: commands may go. */
  readonly onOpen: (fullFeature: FullFeature, negotiated: Negotiated) => void;
  /** The target sends us elsewhere; this connection has ended. */
  readonly onRedirect: (address: string, isPermanent: boolean) => void;
  readonly onAsync: (event: AsyncEvent) => void;
  /** The connection is to be closed. What was under way has failed already. */
  readonly onEnd: (error: IscsiError) => void;
}

export interface InitiatorOptions extends Omit<LoginOptions, 'chapEntropy'> {
  /** Commands under way and waiting, both together. */
  readonly commandsMax: number;
}

export class Initiator {
  readonly #options: InitiatorOptions;
  readonly #events: InitiatorEvents;
  readonly #framer: PduFramer;
  #login: LoginMachine | undefined;
  #fullFeature: FullFeature | undefined;
  #ended: IscsiError | undefined;
  #isRedirected = false;

  constructor(options: InitiatorOptions, events: InitiatorEvents) {
    this.#options = options;
    this.#events = events;
    this.#framer = new PduFramer(options.wishes.receiveSegmentBytes, {
      place: (header) => this.#fullFeature?.place(header),
      receive: (header, data) => this.#receivePdu(header, data),
    });
  }

  /** The first login request; the socket is connected. */
  start(): void {
    this.#guard(() => {
      const challenge = randomBytes(16);
      const chapEntropy = { identifier: randomBytes(1)[0] ?? 0, challenge };
      this.#login = new LoginMachine({ ...this.#options, chapEntropy });
      this.#follow(this.#login.start());
    });
  }

  /** Bytes of the socket, cut anyhow; they may be reused after the call. */
  receive(chunk: Buffer): void {
    this.#guard(() => this.#framer.push(chunk));
  }

  /** The socket has closed, or the caller gives the connection up. */
  end(error: IscsiError): void {
    if (this.#isOver) return;
    this.#ended = error;
    this.#fullFeature?.end(error);
    this.#events.onEnd(error);
  }

  /** Why it ended, when it has. */
  get ended(): IscsiError | undefined {
    return this.#ended;
  }

  get #isOver(): boolean {
    return this.#ended !== undefined || this.#isRedirected;
  }

  #guard(work: () => void): void {
    if (this.#isOver) return;
    try {
      work();
    } catch (error) {
      if (!(error instanceof IscsiError)) throw error;
      this.end(error);
    }
  }

  #receivePdu(header: Buffer, data: Buffer): void {
    // What comes behind the PDU that ended the connection, in the same bytes.
    if (this.#isOver) return;
    if (this.#fullFeature) this.#fullFeature.receive(header, data);
    else if (this.#login) this.#follow(this.#login.receive(header, data));
    else throw protocolError('the target speaks first');
  }

  #follow(step: LoginStep): void {
    if (step.kind === 'send') {
      this.#events.send(encodePdu(step.header, [step.text], { header: false, data: false }));
    } else if (step.kind === 'redirect') {
      this.#isRedirected = true;
      this.#events.onRedirect(step.address, step.isPermanent);
    } else {
      this.#open(step);
    }
  }

  #open({ negotiated, cmdSn, expStatSn, maxCmdSn }: LoginStep & { kind: 'done' }): void {
    this.#framer.digests = { header: negotiated.headerDigest, data: negotiated.dataDigest };
    const { send, onAsync } = this.#events;
    const { commandsMax } = this.#options;
    this.#fullFeature = new FullFeature({
      negotiated,
      cmdSn,
      expStatSn,
      maxCmdSn,
      commandsMax,
      events: { send, onAsync },
    });
    this.#events.onOpen(this.#fullFeature, negotiated);
  }
}
