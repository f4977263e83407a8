// Passphrases of keys: from a file or the keyboard, and sealed to nbkms before they leave this process.

import type { Client } from '@tapestry/bus';
import { type SealedBytes, sealBytes } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Context } from './command.ts';

/**
 * A passphrase that makes something new is typed twice, one that opens what is there once.
 * Errors: 1240 the two that were typed differ.
 */
export async function sealedPassphrase(
  nbkms: Client<'nbkms'>,
  file: string | undefined,
  { terminal }: Context,
  typed: 'once' | 'twice' = 'twice',
): Promise<SealedBytes> {
  const passphrase = await terminal.secret('Passphrase: ', file);
  if (file === undefined && terminal.isAsked && typed === 'twice') {
    const again = await terminal.secret('Passphrase again: ', undefined);
    if (again !== passphrase) {
      const why = 'the two passphrases differ: nothing was changed';
      throw new StatusError('passphraseMismatch', why);
    }
  }
  const { publicKey } = await nbkms.GetInfo({});
  return sealBytes(Buffer.from(passphrase, 'utf8'), publicKey, 'kms passphrase');
}
