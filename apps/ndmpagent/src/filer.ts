// A filer that is connected, logged in and known: what both kinds of sessions and the probe begin with.

import { lookup } from 'node:dns/promises';
import { isIPv4 } from 'node:net';
import type { Address } from '@tapestry/contracts';
import { NdmpClient, type NdmpHandlers, type NdmpVersion, type TcpEndpoint } from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';
import type { FilerAccess } from './adapters/credential.ts';
import { connectNdmp, type NdmpSocket } from './adapters/ndmp-socket.ts';
import { callFailure, connectFailure, loginFailure } from './core/outcome.ts';
import { type FilerIdentity, type FilerQuirks, quirksOf } from './core/quirks.ts';

export interface Filer {
  readonly client: NdmpClient;
  readonly socket: NdmpSocket;
  readonly version: NdmpVersion;
  readonly identity: FilerIdentity & { readonly revision: string };
  readonly quirks: FilerQuirks;
  readonly butypes: readonly string[];
  /** How it was logged in, for the details. */
  readonly auth: 'MD5' | 'text';
}

export interface OpenFiler {
  /** As the configuration names it. */
  readonly host: string;
  readonly access: FilerAccess;
  readonly handlers: NdmpHandlers;
  readonly moreQuirks: readonly FilerQuirks[];
  readonly connectTimeoutMs: number;
  readonly callTimeoutMs: number;
  readonly signal: AbortSignal;
}

/** An optional question gets this long: some servers answer what they do not know with silence. */
const OPTIONAL_MS = 10_000;

/** Errors: 41, 47, 58 no connection; 99 refused, with what to do. The connection is closed on any of them. */
export async function openFiler(options: OpenFiler): Promise<Filer> {
  const { host, access, connectTimeoutMs, callTimeoutMs, signal } = options;
  const place = `${access.address} port ${access.port}`;
  const socket = await connectNdmp(
    { host: access.address, port: access.port },
    connectTimeoutMs,
    signal,
  ).catch((error: unknown) => {
    throw connectFailure(error, host, place);
  });
  const client = new NdmpClient({ transport: socket, handlers: options.handlers, callTimeoutMs });
  try {
    const { version } = await client.connectOpen({ signal }).catch((error: unknown) => {
      throw callFailure(error, `${host} (${place})`, 'open the NDMP connection');
    });
    const auth = await logIn(client, options);
    const identity = await identify(client, signal);
    const butypes = await butypesOf(client, signal);
    const quirks = quirksOf(identity, options.moreQuirks);
    return { client, socket, version, identity, quirks, butypes, auth };
  } catch (error) {
    client.close();
    throw error;
  }
}

/** MD5 unless the operator chose clear text for this host. */
async function logIn(client: NdmpClient, options: OpenFiler): Promise<'MD5' | 'text'> {
  const { host, access, signal } = options;
  try {
    if (access.auth === 'text') {
      await client.authText(access.user, access.password, { signal });
      return 'text';
    }
    await client.authMd5(access.user, access.password, { signal });
    return 'MD5';
  } catch (error) {
    throw loginFailure(error, host, access.user);
  }
}

async function identify(client: NdmpClient, signal: AbortSignal): Promise<Filer['identity']> {
  try {
    const info = await client.getServerInfo({ timeoutMs: OPTIONAL_MS, signal });
    return { vendor: info.vendor, product: info.product, revision: info.revision };
  } catch (error) {
    if (client.isClosed) throw error;
    return { vendor: '', product: '', revision: '' };
  }
}

async function butypesOf(client: NdmpClient, signal: AbortSignal): Promise<string[]> {
  try {
    const { butypes } = await client.getButypeInfo({ timeoutMs: OPTIONAL_MS, signal });
    return butypes.map(({ name }) => name);
  } catch (error) {
    if (client.isClosed) throw error;
    return [];
  }
}

/** The mover's addresses in the form that NDMP has: IPv4 numbers. Errors: 47 none of them is one. */
export async function moverEndpoints(addresses: readonly Address[]): Promise<TcpEndpoint[]> {
  const found = await Promise.all(
    addresses.map(async ({ host, port }): Promise<TcpEndpoint[]> => {
      if (isIPv4(host)) return [{ host, port, env: [] }];
      const resolved = await lookup(host, { all: true, family: 4 }).catch(() => []);
      return resolved.map(({ address }) => ({ host: address, port, env: [] }));
    }),
  );
  const endpoints = found.flat();
  if (endpoints.length > 0) return endpoints;
  const names = addresses.map(({ host }) => host).join(', ');
  throw new StatusError(
    'hostUnreachable',
    `none of this media server's data addresses (${names}) is an IPv4 address: set BPTM_DATA_HOST`,
  );
}
