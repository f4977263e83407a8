// Keys from passphrases: the same passphrase, label and site salt make the same key on any host, for ever. The profiles
// are frozen: other parameters get another number.

import { createHash, pbkdf2, scrypt } from 'node:crypto';
import { promisify } from 'node:util';
import { StatusError } from '@tapestry/status';
import { KEY_BYTES } from './sealing.ts';

interface ScryptProfile {
  readonly kind: 'scrypt';
  readonly N: number;
}
interface Pbkdf2Profile {
  readonly kind: 'pbkdf2';
  readonly rounds: number;
}

const PROFILES: Readonly<Record<number, ScryptProfile | Pbkdf2Profile>> = {
  /** Tests alone: no key of a real store is made in so little time. */
  0: { kind: 'scrypt', N: 2 ** 10 },
  1: { kind: 'scrypt', N: 2 ** 17 },
  2: { kind: 'scrypt', N: 2 ** 20 },
  /** For those who may use approved algorithms alone. */
  4: { kind: 'pbkdf2', rounds: 1_000_000 },
};
const BLOCK = { r: 8, p: 1 } as const;

export interface DerivationPolicy {
  /** For keys that are made now. */
  readonly profile: number;
  readonly allowed: readonly number[];
}

export const STANDARD_POLICY: DerivationPolicy = { profile: 1, allowed: [1, 2, 4] };
export const APPROVED_POLICY: DerivationPolicy = { profile: 4, allowed: [4] };

/** What the key is for: the same passphrase and label make different keys for different purposes. */
export const PURPOSE = { hmk: 1, kpk: 2, data: 3, export: 4 } as const;
type Purpose = keyof typeof PURPOSE;

export interface Derivation {
  readonly passphrase: string;
  readonly purpose: Purpose;
  readonly label: string;
  readonly siteSalt: Buffer;
  readonly profile: number;
}

/** Some seconds of work off the main thread. Errors: 1244. */
export async function keyFromPassphrase(
  derivation: Derivation,
  policy: DerivationPolicy,
): Promise<Buffer> {
  const { passphrase, profile: number } = derivation;
  const profile = PROFILES[number];
  if (profile === undefined || !policy.allowed.includes(number)) {
    const why = `derivation profile ${number} is not allowed here; ${policy.allowed.join(', ')} are`;
    throw new StatusError('kdfUnsupported', why);
  }
  const text = passphrase.normalize('NFC');
  const salt = derivationSalt(derivation);
  if (profile.kind === 'pbkdf2') {
    return await promisify(pbkdf2)(text, salt, profile.rounds, KEY_BYTES, 'sha256');
  }
  const derive = promisify<string, Buffer, number, object, Buffer>(scrypt);
  const { N } = profile;
  return await derive(text, salt, KEY_BYTES, { N, ...BLOCK, maxmem: 256 * N * BLOCK.r });
}

export function derivationSalt(
  derivation: Pick<Derivation, 'purpose' | 'label' | 'siteSalt'>,
): Buffer {
  const { purpose, label, siteSalt } = derivation;
  return createHash('sha256')
    .update('nbkms-salt-v1\0')
    .update(Buffer.from([PURPOSE[purpose]]))
    .update(prefixed(siteSalt))
    .update(prefixed(Buffer.from(label.normalize('NFC'), 'utf8')))
    .digest();
}

function prefixed(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
