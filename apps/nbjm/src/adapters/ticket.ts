// Signs starts with nbjm's private key. The key stays in this file's object and is never logged.

import { createPrivateKey, type KeyObject } from 'node:crypto';
import { codec, type Init, type RunSpec, type StartRequest, signStart } from '@tapestry/contracts';
import { readSecret } from '@tapestry/runtime';
import { StatusError } from '@tapestry/status';

export class TicketSigner {
  readonly #key: KeyObject;
  readonly #lifeMs: number;
  readonly #nowMs: () => number;

  /** Errors: 12 when the file cannot be read, 20 when it holds no Ed25519 private key. */
  constructor(keyFile: string, lifeMs: number, nowMs: () => number) {
    this.#key = loadKey(keyFile);
    this.#lifeMs = lifeMs;
    this.#nowMs = nowMs;
  }

  sign(spec: Init<RunSpec>): StartRequest {
    const nowMs = this.#nowMs();
    return signStart(this.#key, {
      runSpec: codec('RunSpec').encode(spec),
      issuedMs: BigInt(nowMs),
      expiresMs: BigInt(nowMs + this.#lifeMs),
    });
  }
}

function loadKey(file: string): KeyObject {
  const pem = readSecret(file);
  try {
    const key = createPrivateKey(pem);
    if (key.asymmetricKeyType === 'ed25519') return key;
  } catch {
    // The parser's message may quote the key: ours names the file.
  }
  throw new StatusError('invalidParameter', `${file} holds no Ed25519 private key in PEM form`);
}
