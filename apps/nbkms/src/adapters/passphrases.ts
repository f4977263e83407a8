// Keys from passphrases that people send: opened, checked, derived, two at a time, and slower after each wrong one.

import { openBytes, type ReaderKey, type SealedSecret } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { checkedPassphrase } from '../core/passphrase.ts';
import { type Derivation, type DerivationPolicy, keyFromPassphrase } from './key-derivation.ts';
import { makeTurns } from './turns.ts';

const DERIVATIONS_MAX = 2;
const WAIT_MAX_MS = 60_000;
const PAUSE_MAX_MS = 60_000;

export interface Passphrases {
  readonly publicKey: Uint8Array;
  readonly policy: DerivationPolicy;
  /** Errors: 116 sealed to another life of nbkms, 1241, 1243. */
  open(sealed: SealedSecret): string;
  /** Errors: 1203 too many at once, 1244. */
  derive(derivation: Derivation): Promise<Buffer>;
  /** Errors: 1208 after a wrong one, for a while. */
  requirePatience(actor: string, nowMs: number): void;
  noteWrong(actor: string, nowMs: number): void;
  noteRight(actor: string): void;
}

export function makePassphrases(key: ReaderKey, policy: DerivationPolicy): Passphrases {
  const turns = makeTurns({
    ...{ atOnce: DERIVATIONS_MAX, waitMaxMs: WAIT_MAX_MS },
    what: 'the derivation of keys from passphrases',
  });
  const wrong = new Map<string, { readonly times: number; readonly untilMs: number }>();
  return {
    ...{ publicKey: key.publicKey, policy },
    open: ({ publicKey, nonce, sealed }) => {
      const clear = openBytes({ publicKey, nonce, sealed }, key, 'kms passphrase');
      try {
        return checkedPassphrase(clear);
      } finally {
        clear.fill(0);
      }
    },
    derive: (derivation) => turns(() => keyFromPassphrase(derivation, policy)),
    requirePatience: (actor, nowMs) => {
      const { untilMs = 0 } = wrong.get(actor) ?? {};
      if (nowMs >= untilMs) return;
      const seconds = Math.ceil((untilMs - nowMs) / 1_000);
      const why = `the last passphrase was wrong: try again in ${seconds} seconds`;
      throw new StatusError('kmsRateLimited', why);
    },
    noteWrong: (actor, nowMs) => {
      const times = (wrong.get(actor)?.times ?? 0) + 1;
      const pauseMs = Math.min(PAUSE_MAX_MS, 1_000 * 2 ** (times - 1));
      wrong.set(actor, { times, untilMs: nowMs + pauseMs });
    },
    noteRight: (actor) => void wrong.delete(actor),
  };
}
