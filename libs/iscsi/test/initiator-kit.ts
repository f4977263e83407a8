// An initiator and a scripted target in one process, their bytes carried by hand in any cut.

import { IscsiError } from '../src/iscsi-error.ts';
import type { Negotiated } from '../src/login/operational-keys.ts';
import type { CommandOutcome, ScsiCommand } from '../src/session/command-task.ts';
import type { FullFeature, Reply } from '../src/session/full-feature.ts';
import { Initiator, type InitiatorOptions } from '../src/session/initiator.ts';
import type { AsyncEvent } from '../src/session/target-messages.ts';
import { AT, encodeLun } from '../src/wire/pdu.ts';
import { ScriptedTarget, TARGET_NAME, type TargetScript } from './scripted-target.ts';

export const INITIATOR_NAME = 'iqn.2026-01.test.tapestry:initiator';

export const WISHES: InitiatorOptions['wishes'] = {
  isDiscovery: false,
  headerDigest: 'allowed',
  dataDigest: 'allowed',
  receiveSegmentBytes: 65_536,
  maxBurstBytes: 262_144,
  firstBurstBytes: 65_536,
  initialR2T: false,
  immediateData: true,
};

export interface KitOptions {
  readonly script?: TargetScript;
  readonly wishes?: Partial<InitiatorOptions['wishes']>;
  readonly chap?: InitiatorOptions['chap'];
  readonly discovery?: boolean;
  /** How many bytes travel at a time; default all. */
  readonly cutBytes?: number;
  readonly commandsMax?: number;
}

export class Kit {
  readonly target: ScriptedTarget;
  readonly initiator: Initiator;
  readonly asyncEvents: AsyncEvent[] = [];
  readonly redirects: string[] = [];
  fullFeature: FullFeature | undefined;
  negotiated: Negotiated | undefined;
  ended: IscsiError | undefined;
  /** Flips a bit in this byte of what the target says at a time. */
  damageFrom: number | undefined;
  isClosedByTarget = false;
  readonly #cutBytes: number;
  #toTarget: Buffer[] = [];
  #toInitiator: Buffer[] = [];
  #isPumping = false;

  constructor(options: KitOptions = {}) {
    this.#cutBytes = options.cutBytes ?? Number.MAX_SAFE_INTEGER;
    this.target = new ScriptedTarget(
      options.script ?? {},
      (bytes) => this.#toInitiator.push(bytes),
      () => {
        this.isClosedByTarget = true;
      },
    );
    this.initiator = new Initiator(
      {
        initiatorName: INITIATOR_NAME,
        targetName: options.discovery ? undefined : TARGET_NAME,
        isid: Buffer.from('80aabbccddee', 'hex'),
        commandsMax: options.commandsMax ?? 16,
        ...(options.chap ? { chap: options.chap } : {}),
        wishes: { ...WISHES, isDiscovery: options.discovery ?? false, ...options.wishes },
      },
      {
        send: (parts) => this.#toTarget.push(...parts.map((part) => Buffer.from(part))),
        onOpen: (fullFeature, negotiated) => {
          this.fullFeature = fullFeature;
          this.negotiated = negotiated;
        },
        onRedirect: (address) => this.redirects.push(address),
        onAsync: (event) => this.asyncEvents.push(event),
        onEnd: (error) => {
          this.ended = error;
        },
      },
    );
  }

  login(): FullFeature {
    this.initiator.start();
    this.pump();
    if (this.ended) throw this.ended;
    if (this.fullFeature === undefined) throw new Error('the login did not end');
    return this.fullFeature;
  }

  /** Carries bytes until both sides are silent. */
  pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    while (this.#toTarget.length + this.#toInitiator.length > 0) {
      const toTarget = Buffer.concat(this.#toTarget.splice(0));
      for (const piece of this.#cut(toTarget)) this.target.receive(piece);
      const toInitiator = Buffer.concat(this.#toInitiator.splice(0));
      const { damageFrom } = this;
      if (damageFrom !== undefined) toInitiator[damageFrom] = (toInitiator[damageFrom] ?? 0) ^ 0x10;
      for (const piece of this.#cut(toInitiator)) this.initiator.receive(piece);
    }
    this.#isPumping = false;
  }

  /** Runs a command to its end; undefined when none came. */
  run(command: Omit<ScsiCommand, 'lun'> & { lun?: number }): CommandOutcome | undefined {
    let outcome: CommandOutcome | undefined;
    this.fullFeature?.submit({ ...command, lun: encodeLun(command.lun ?? 0) }, (result) => {
      outcome = result;
    });
    this.pump();
    return outcome;
  }

  /** Copies, so that whoever keeps a view of what arrived is found out. */
  *#cut(bytes: Buffer): Iterable<Buffer> {
    const step = Math.min(this.#cutBytes, Math.max(1, bytes.length));
    for (let at = 0; at < bytes.length; at += step) {
      const piece = Buffer.from(bytes.subarray(at, at + step));
      yield piece;
      piece.fill(0xee);
    }
  }
}

export function loginError(options: KitOptions): IscsiError {
  try {
    new Kit(options).login();
  } catch (error) {
    if (error instanceof IscsiError) return error;
    throw error;
  }
  throw new Error('the login went through');
}

export function opened(options: KitOptions): Kit {
  const kit = new Kit(options);
  kit.login();
  return kit;
}

export function pattern(bytes: number): Buffer {
  return Buffer.from(Array.from({ length: bytes }, (_, i) => (i * 7 + (i >> 8)) & 0xff));
}

export function failure(outcome: CommandOutcome | undefined): IscsiError | undefined {
  return outcome?.kind === 'failed' ? outcome.error : undefined;
}

/** The response code of a reply to task management or logout. */
export function replyCode(reply: Reply): number | undefined {
  return reply instanceof IscsiError ? undefined : reply.header[AT.response];
}
