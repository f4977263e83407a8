// A filer's user and password on their way from nbemm to one ndmpagent, sealed to a key that the agent made for this
// one call.

import { openBytes, type ReaderKey, type SealedBytes, sealBytes } from './sealed-bytes.ts';

export interface NdmpCredential {
  readonly user: string;
  readonly password: string;
}

const PURPOSE = 'ndmp credential';

/** The last three fields of GetNdmpCredentialReply. Errors: 20 the asker's key is not an X25519 public key. */
export function sealCredential(credential: NdmpCredential, askerKey: Uint8Array): SealedBytes {
  const { user, password } = credential;
  const clear = Buffer.from(JSON.stringify({ user, password }), 'utf8');
  const sealed = sealBytes(clear, askerKey, PURPOSE);
  clear.fill(0);
  return sealed;
}

/** Errors: 116 when it was sealed for another key or changed on the way. */
export function openCredential(answer: SealedBytes, own: ReaderKey): NdmpCredential {
  const clear = openBytes(answer, own, PURPOSE);
  const { user, password } = JSON.parse(clear.toString('utf8')) as NdmpCredential;
  clear.fill(0);
  return { user, password };
}
