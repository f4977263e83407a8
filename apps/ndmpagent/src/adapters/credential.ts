// One credential for one grant: asked of nbemm, sealed to a key made for this one question, opened here and kept nowhere.

import type { Client } from '@tapestry/bus';
import { makeReaderKey, openCredential } from '@tapestry/contracts';
import { type Lease, refOf } from '@tapestry/runtime/fence';
import { untilAnswered } from '@tapestry/runtime/until-answered';

export interface FilerAccess {
  readonly address: string;
  readonly port: number;
  readonly auth: string;
  readonly user: string;
  /** Never logged. */
  readonly password: string;
}

/** In whose name a credential is asked for. */
export type CredentialRight = Lease | { readonly robotNumber: number };

/** Errors: 2108 no such host; 902 the grant is over, or the robot another host's; 116 the answer was tampered with. */
export async function fetchAccess(
  nbemm: Client<'nbemm'>,
  right: CredentialRight,
  ndmpHost: string,
  signal: AbortSignal,
): Promise<FilerAccess> {
  const asked =
    'robotNumber' in right
      ? { forRobot: true, robotNumber: right.robotNumber }
      : { grant: refOf(right) };
  const key = makeReaderKey();
  const reply = await untilAnswered(
    (call) =>
      nbemm.GetNdmpCredential({ ...asked, ndmpHost, publicKey: key.publicKey }, { signal: call }),
    { signal },
  );
  const { user, password } = openCredential(reply, key);
  const { address, port, auth } = reply;
  return { address: address || ndmpHost, port: port || DEFAULT_PORT, auth, user, password };
}

const DEFAULT_PORT = 10_000;
