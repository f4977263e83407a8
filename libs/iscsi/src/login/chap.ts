// CHAP as RFC 7143 uses it (section 12.1.3): the answer to the target's challenge and, where both sides prove themselves,
// our own challenge. Secrets are bytes that the caller brings; nothing here puts them into a text or an error.

import { createHash, timingSafeEqual } from 'node:crypto';
import { IscsiError, protocolError } from '../iscsi-error.ts';
import { decodeBinary, decodeNumber, encodeBinary, type TextKey } from '../wire/text-keys.ts';

export type ChapHash = 'md5' | 'sha1' | 'sha256' | 'sha3-256';

export interface ChapCredentials {
  readonly user: string;
  /** At least 12 bytes. */
  readonly secret: Uint8Array;
  /**
   * What may be used, the dearest first; default MD5 alone. It is what every target knows, and targets exist that mean
   * another by the number of a newer one: name others where the target is known to have them.
   */
  readonly hashes?: readonly ChapHash[];
  /** What the target must prove; without it only we prove ourselves. */
  readonly target?: { readonly user?: string; readonly secret: Uint8Array };
}

/** Random bytes of ours for one login: the identifier and the challenge that we send. */
export interface ChapEntropy {
  readonly identifier: number;
  readonly challenge: Uint8Array;
}

const NUMBERS = { md5: 5, sha1: 6, sha256: 7, 'sha3-256': 8 } as const;
const SECRET_BYTES_MIN = 12;
const CHALLENGE_BYTES_MAX = 1024;
const RESPONSE_BYTES_MAX = 64;

export class ChapExchange {
  readonly #credentials: ChapCredentials;
  readonly #entropy: ChapEntropy;
  readonly #hashes: readonly ChapHash[];
  #algorithm = '';
  #isProven: boolean;

  constructor(credentials: ChapCredentials, entropy: ChapEntropy) {
    const { secret, target } = credentials;
    if (secret.length < SECRET_BYTES_MIN || (target?.secret.length ?? 12) < SECRET_BYTES_MIN) {
      throw new IscsiError('login', `a CHAP secret has at least ${SECRET_BYTES_MIN} bytes`);
    }
    if (target && isEqual(secret, target.secret)) {
      throw new IscsiError('login', 'the CHAP secrets of the two directions must differ');
    }
    this.#credentials = credentials;
    this.#hashes = credentials.hashes ?? ['md5'];
    this.#entropy = entropy;
    this.#isProven = target === undefined;
  }

  /** False as long as the target owes us its proof. */
  get isProven(): boolean {
    return this.#isProven;
  }

  offer(): TextKey[] {
    return [['CHAP_A', this.#hashes.map((hash) => NUMBERS[hash]).join(',')]];
  }

  /** Our answer to CHAP_A, CHAP_I and CHAP_C. */
  answer(keys: ReadonlyMap<string, string>): TextKey[] {
    const { user, secret, target } = this.#credentials;
    const number = decodeNumber('CHAP_A', keys.get('CHAP_A') ?? '', [0, 255]);
    const algorithm = this.#hashes.find((hash) => NUMBERS[hash] === number);
    if (algorithm === undefined) throw protocolError(`CHAP algorithm ${number} was not offered`);
    this.#algorithm = algorithm;
    const identifier = decodeNumber('CHAP_I', keys.get('CHAP_I') ?? '', [0, 255]);
    const challenge = decodeBinary('CHAP_C', keys.get('CHAP_C') ?? '', CHALLENGE_BYTES_MAX);
    if (isEqual(challenge, this.#entropy.challenge)) {
      throw new IscsiError('login', 'the target sent our own CHAP challenge back');
    }
    const response = hash(algorithm, identifier, secret, challenge);
    const answer: TextKey[] = [
      ['CHAP_N', user],
      ['CHAP_R', encodeBinary(response)],
    ];
    if (target) {
      answer.push(['CHAP_I', String(this.#entropy.identifier)]);
      answer.push(['CHAP_C', encodeBinary(this.#entropy.challenge)]);
    }
    return answer;
  }

  /** Checks the target's CHAP_N and CHAP_R where it owes them. */
  verify(keys: ReadonlyMap<string, string>): void {
    const { target } = this.#credentials;
    const response = keys.get('CHAP_R');
    if (target === undefined || response === undefined || this.#algorithm === '') return;
    const { identifier, challenge } = this.#entropy;
    const expected = hash(this.#algorithm, identifier, target.secret, challenge);
    const isName = target.user === undefined || target.user === keys.get('CHAP_N');
    const given = decodeBinary('CHAP_R', response, RESPONSE_BYTES_MAX);
    if (!isName || !isEqual(given, expected)) {
      throw new IscsiError('login', 'the target did not prove that it knows its CHAP secret');
    }
    this.#isProven = true;
  }
}

function hash(
  algorithm: string,
  identifier: number,
  secret: Uint8Array,
  challenge: Uint8Array,
): Buffer {
  return createHash(algorithm)
    .update(Uint8Array.of(identifier))
    .update(secret)
    .update(challenge)
    .digest();
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
