// One login as a conversation of requests and responses (RFC 7143, chapter 6.3): security, then operational keys, until
// the target opens the full-feature phase. Pure: PDUs in, PDUs out; random bytes come in with the options.

import { IscsiError, protocolError } from '../iscsi-error.ts';
import { AT, IMMEDIATE, newHeader, OPCODE, opcodeOf } from '../wire/pdu.ts';
import { serialNext } from '../wire/serial-number.ts';
import { decodeKeys, encodeKeys, TextCollector, type TextKey } from '../wire/text-keys.ts';
import { type ChapCredentials, type ChapEntropy, ChapExchange } from './chap.ts';
import { loginRefused } from './login-status.ts';
import {
  type Negotiated,
  OperationalNegotiation,
  type OperationalWishes,
} from './operational-keys.ts';

export interface LoginOptions {
  readonly initiatorName: string;
  /** Undefined: a discovery session. */
  readonly targetName: string | undefined;
  /** Six bytes: with the initiator's name and the portal group they are the nexus that a target remembers. */
  readonly isid: Uint8Array;
  readonly chap?: ChapCredentials;
  readonly chapEntropy: ChapEntropy;
  readonly wishes: OperationalWishes;
}

export type LoginStep =
  | { readonly kind: 'send'; readonly header: Buffer; readonly text: Buffer }
  | {
      readonly kind: 'done';
      readonly negotiated: Negotiated;
      readonly cmdSn: number;
      readonly expStatSn: number;
      readonly maxCmdSn: number;
    }
  /** `address` is host:port, as the target wrote it. */
  | { readonly kind: 'redirect'; readonly address: string; readonly isPermanent: boolean };

const STAGE = { security: 0, operational: 1, fullFeature: 3 } as const;
const TRANSIT = 0x80;
const CONTINUE = 0x40;
const RESPONSES_MAX = 64;
const LOGIN_TAG = 0;
const FIRST_CMD_SN = 1;

type Security = 'method' | 'challenge' | 'proof' | 'done';

export class LoginMachine {
  readonly #options: LoginOptions;
  readonly #operational: OperationalNegotiation;
  readonly #chap: ChapExchange | undefined;
  readonly #text = new TextCollector();
  #security: Security = 'method';
  #stage: number = STAGE.security;
  #isTransitAsked = false;
  #offered = new Set<string>();
  #expStatSn: number | undefined;
  #tsih = 0;
  #redirect = '';
  #responses = 0;

  constructor(options: LoginOptions) {
    this.#options = options;
    this.#operational = new OperationalNegotiation(options.wishes);
    this.#chap = options.chap && new ChapExchange(options.chap, options.chapEntropy);
  }

  start(): LoginStep {
    const { initiatorName, targetName } = this.#options;
    const names: TextKey[] =
      targetName === undefined
        ? [['SessionType', 'Discovery']]
        : [
            ['SessionType', 'Normal'],
            ['TargetName', targetName],
          ];
    const method: TextKey = ['AuthMethod', this.#methods().join(',')];
    const keys: TextKey[] = [['InitiatorName', initiatorName], ...names, method];
    return this.#request(keys, this.#chap === undefined);
  }

  /** The answer to a login response. Throws `IscsiError` when this login has failed. */
  receive(header: Buffer, data: Buffer): LoginStep {
    this.#checkHeader(header);
    this.#text.add(data);
    const statusClass = header[36] ?? 0;
    const flags = header[AT.flags] ?? 0;
    if (statusClass !== 0) return this.#refused(header);
    if (flags & CONTINUE) return this.#request([], false);
    const keys = decodeKeys(this.#text.take());
    const answers = this.#isSecurity ? this.#secure(keys) : this.#operate(keys);
    if ((flags & TRANSIT) === 0) return this.#next(answers);
    return this.#transit(flags & 3, header);
  }

  get #isSecurity(): boolean {
    return this.#stage === STAGE.security;
  }

  #methods(): string[] {
    if (this.#chap === undefined) return ['None'];
    return this.#options.chap?.target ? ['CHAP'] : ['CHAP', 'None'];
  }

  #checkHeader(header: Buffer): void {
    this.#responses += 1;
    if (this.#responses > RESPONSES_MAX) throw protocolError('a login without an end');
    if (opcodeOf(header) === OPCODE.reject) throw protocolError('the target rejects the login');
    if (opcodeOf(header) !== OPCODE.loginResponse) throw protocolError('no login response');
    if (header.readUInt32BE(AT.initiatorTag) !== LOGIN_TAG) {
      throw protocolError('a login response to another request');
    }
    // A refusal comes in any shape: its status counts alone.
    if (header[36] !== 0) return;
    const statSn = header.readUInt32BE(AT.statSn);
    if (this.#expStatSn !== undefined && statSn !== this.#expStatSn) {
      throw protocolError('a login response is missing');
    }
    this.#expStatSn = serialNext(statSn);
    const stage = ((header[AT.flags] ?? 0) >> 2) & 3;
    if (stage !== this.#stage) throw protocolError('the target is in another stage of the login');
    if (header[3] !== 0) throw protocolError(`the target speaks version ${header[3]}`);
    if (((header[AT.flags] ?? 0) & (TRANSIT | CONTINUE)) === (TRANSIT | CONTINUE)) {
      throw protocolError('a stage of the login ends within a text');
    }
    this.#tsih = header.readUInt16BE(14);
  }

  #refused(header: Buffer): LoginStep {
    const status = header.readUInt16BE(36);
    if (status >> 8 !== 1) throw loginRefused(status);
    const keys = new Map(decodeKeys(this.#text.take()));
    const address = keys.get('TargetAddress') ?? this.#redirect;
    if (address === '') throw protocolError('the target moved without telling where');
    return { kind: 'redirect', address, isPermanent: status === 0x0102 };
  }

  #secure(list: readonly TextKey[]): TextKey[] {
    const keys = new Map(list);
    if (keys.size < list.length) throw protocolError('a key is negotiated twice');
    this.#redirect = keys.get('TargetAddress') ?? this.#redirect;
    for (const key of ['TargetPortalGroupTag', 'TargetAlias']) {
      const value = keys.get(key);
      if (value !== undefined) this.#operational.accept(key, value, true);
    }
    return [...this.#authenticate(keys), ...list.flatMap(([key]) => unknownSecurityKey(key))];
  }

  #authenticate(keys: ReadonlyMap<string, string>): TextKey[] {
    const method = keys.get('AuthMethod');
    if (this.#security === 'method' && method !== undefined) {
      if (!this.#methods().includes(method)) {
        throw new IscsiError('login', 'the target wants another way of authentication');
      }
      this.#security = method === 'CHAP' ? 'challenge' : 'done';
      return method === 'CHAP' ? (this.#chap?.offer() ?? []) : [];
    }
    if (this.#security === 'challenge' && keys.has('CHAP_A')) {
      this.#security = 'proof';
      return this.#chap?.answer(keys) ?? [];
    }
    if (this.#security === 'proof') this.#chap?.verify(keys);
    return [];
  }

  #operate(keys: readonly TextKey[]): TextKey[] {
    return keys.flatMap(([key, value]): TextKey[] => {
      const answer = this.#operational.accept(key, value, this.#offered.has(key));
      return answer === undefined ? [] : [[key, answer]];
    });
  }

  /** The stage goes on: whatever we have to say, and that we are ready to leave it. */
  #next(answers: readonly TextKey[]): LoginStep {
    const isReady = !this.#isSecurity || this.#security === 'done' || this.#security === 'proof';
    return this.#request(answers, isReady);
  }

  #transit(nextStage: number, header: Buffer): LoginStep {
    const wanted = this.#isSecurity ? STAGE.operational : STAGE.fullFeature;
    if (!this.#isTransitAsked || nextStage !== wanted) {
      throw protocolError('the target leaves a stage of the login on its own');
    }
    if (this.#isSecurity) {
      this.#checkProven();
      this.#stage = STAGE.operational;
      const offers = this.#operational.offers();
      this.#offered = new Set(offers.map(([key]) => key));
      return this.#request(offers, true);
    }
    if (this.#tsih === 0 && this.#options.targetName !== undefined) {
      throw protocolError('the target gave the session no handle');
    }
    return {
      kind: 'done',
      negotiated: this.#operational.result(),
      cmdSn: FIRST_CMD_SN,
      expStatSn: serialNext(header.readUInt32BE(AT.statSn)),
      maxCmdSn: header.readUInt32BE(AT.maxCmdSn),
    };
  }

  /** A target that skips what it must prove is no better than one that fails it. */
  #checkProven(): void {
    if (this.#chap && !this.#chap.isProven) {
      throw new IscsiError('login', 'the target did not prove that it knows its CHAP secret');
    }
  }

  #request(keys: readonly TextKey[], isTransit: boolean): LoginStep {
    this.#isTransitAsked = isTransit;
    const next = this.#isSecurity ? STAGE.operational : STAGE.fullFeature;
    const flags = (this.#stage << 2) | (isTransit ? TRANSIT | next : 0);
    const header = newHeader(OPCODE.login | IMMEDIATE, flags, LOGIN_TAG);
    Buffer.from(this.#options.isid).copy(header, 8);
    header.writeUInt16BE(0, 14);
    header.writeUInt32BE(FIRST_CMD_SN, AT.cmdSn);
    header.writeUInt32BE(this.#expStatSn ?? 0, AT.expStatSn);
    return { kind: 'send', header, text: encodeKeys(keys) };
  }
}

const SECURITY_KEYS = new Set([
  'AuthMethod',
  'TargetAddress',
  'TargetAlias',
  'TargetPortalGroupTag',
]);

function unknownSecurityKey(key: string): TextKey[] {
  return SECURITY_KEYS.has(key) || key.startsWith('CHAP_') ? [] : [[key, 'NotUnderstood']];
}
