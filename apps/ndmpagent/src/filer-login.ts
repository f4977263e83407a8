// The log-in at a filer: MD5 where it can be, clear text only where the operator allowed it for this host.

import { isRefusal, NDMP_ERROR, type NdmpClient } from '@tapestry/ndmp';
import { type LogIn, loginOrder } from './core/filer-choice.ts';
import { loginFailure } from './core/outcome.ts';
import type { OpenFiler } from './filer.ts';
import { authTypesOf } from './filer-facts.ts';

/** Error: 99 with what to do. */
export async function logIn(
  client: NdmpClient,
  { host, access, signal }: OpenFiler,
): Promise<{ auth: LogIn; authTypes: readonly number[] | undefined }> {
  const authTypes = await authTypesOf(client, signal).catch((error: unknown) => {
    throw loginFailure(error, host, access.user);
  });
  const order = loginOrder(host, access.auth === 'text' ? 'text' : 'md5', authTypes);
  let failure: unknown;
  for (const auth of order) {
    try {
      const log = auth === 'md5' ? client.authMd5 : client.authText;
      await log.call(client, access.user, access.password, { signal });
      return { auth, authTypes };
    } catch (error) {
      failure = error;
      if (client.isClosed || !isRefused(error)) break;
    }
  }
  throw loginFailure(failure, host, access.user);
}

/** Also a server that lists a log-in and then does not know it. */
function isRefused(error: unknown): boolean {
  const { notAuthorized, permission, illegalArgs, notSupported } = NDMP_ERROR;
  return [notAuthorized, permission, illegalArgs, notSupported].some((code) =>
    isRefusal(error, code),
  );
}
