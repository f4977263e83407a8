// The questions about a filer that every session asks: optional ones, because servers leave out what they do not know, and
// some answer with silence. Only a lost connection is an error.

import { IPV6_CLASS, type NdmpClient } from '@tapestry/ndmp';
import type { OfferedType } from './core/filer-choice.ts';
import type { Filer } from './filer.ts';

/** An optional question gets this long. */
const OPTIONAL_MS = 10_000;

/** Errors: the connection's own, when it ended. */
export async function optional<T>(
  client: NdmpClient,
  signal: AbortSignal,
  ask: (options: { timeoutMs: number; signal: AbortSignal }) => Promise<T>,
): Promise<T | undefined> {
  try {
    return await ask({ timeoutMs: OPTIONAL_MS, signal });
  } catch (error) {
    if (client.isClosed || signal.aborted) throw error;
    return undefined;
  }
}

/** The log-ins that the server lists. */
export async function authTypesOf(
  client: NdmpClient,
  signal: AbortSignal,
): Promise<readonly number[] | undefined> {
  const info = await optional(client, signal, (options) => client.getServerInfo(options));
  return info === undefined || info.authTypes.length === 0 ? undefined : info.authTypes;
}

export async function identify(
  client: NdmpClient,
  signal: AbortSignal,
): Promise<Filer['identity']> {
  const server = await optional(client, signal, (options) => client.getServerInfo(options));
  const host = await optional(client, signal, (options) => client.getHostInfo(options));
  return {
    ...{ vendor: server?.vendor ?? '', product: server?.product ?? '' },
    ...{ revision: server?.revision ?? '', system: host?.osType ?? '' },
  };
}

/** v2 is asked for each of the likely ones. */
export async function butypesOf(
  client: NdmpClient,
  likely: readonly string[],
  signal: AbortSignal,
): Promise<OfferedType[]> {
  const info = await optional(client, signal, (options) => client.getButypeInfo(options, likely));
  return (info?.butypes ?? []).map(({ name, attrs }) => ({ name, attrs }));
}

export async function connectionTypesOf(
  client: NdmpClient,
  signal: AbortSignal,
): Promise<readonly number[] | undefined> {
  const reply = await optional(client, signal, (options) => client.getConnectionTypes(options));
  return reply?.types;
}

/** Negotiates the extension for IPv6 data addresses when it is called first: a session may do that once. */
export function ipv6Agreement(client: NdmpClient, signal: AbortSignal): () => Promise<boolean> {
  let agreed: Promise<boolean> | undefined;
  const ask = async (): Promise<boolean> => {
    if (client.version < 4) return false;
    const wanted = [{ classId: IPV6_CLASS, version: 1 }];
    const chosen = await optional(client, signal, (options) => client.negotiate(wanted, options));
    return (chosen?.length ?? 0) > 0;
  };
  return () => {
    agreed ??= ask();
    return agreed;
  };
}
