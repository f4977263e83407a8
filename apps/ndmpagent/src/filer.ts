// A filer that is connected, logged in and known: what both kinds of sessions and the probe begin with.

import { NdmpClient, NdmpError, type NdmpHandlers, type NdmpVersion } from '@tapestry/ndmp';
import type { FilerAccess } from './adapters/credential.ts';
import { connectNdmp, type NdmpSocket } from './adapters/ndmp-socket.ts';
import { type TracePlace, traced } from './adapters/session-trace.ts';
import type { LogIn, OfferedType } from './core/filer-choice.ts';
import { connectFailure, openFailure } from './core/outcome.ts';
import {
  type FilerIdentity,
  type FilerQuirks,
  type Filers,
  quirksOf,
  versionMaxOf,
} from './core/quirks.ts';
import { butypesOf, connectionTypesOf, identify, ipv6Agreement } from './filer-facts.ts';
import { logIn } from './filer-login.ts';

export interface Filer {
  readonly client: NdmpClient;
  readonly socket: NdmpSocket;
  readonly version: NdmpVersion;
  readonly identity: FilerIdentity & { readonly revision: string };
  readonly quirks: FilerQuirks;
  /** By what the filer was recognised. */
  readonly recognised: string;
  /** Keys of the quirks that are set for this host alone. */
  readonly own: readonly string[];
  readonly butypes: readonly OfferedType[];
  /** ADDR_TYPE; undefined when the filer does not tell. */
  readonly connectionTypes: readonly number[] | undefined;
  readonly auth: LogIn;
  /** Log-ins that the filer lists (AUTH_TYPE); undefined when it does not tell. */
  readonly authTypes: readonly number[] | undefined;
  /** Whether data connections may have IPv6 addresses; the filer is asked once. Rejects when the connection is lost. */
  agreesOnIpv6(): Promise<boolean>;
  /** The connection is a tape session's: it stays open when the data operation is over. */
  readonly lent?: boolean;
}

export interface OpenFiler {
  /** As the configuration names it. */
  readonly host: string;
  readonly access: FilerAccess;
  readonly handlers: NdmpHandlers;
  readonly filers: Filers;
  /** The highest version to speak, if the host has no setting of its own. */
  readonly versionMax: NdmpVersion;
  readonly connectTimeoutMs: number;
  readonly callTimeoutMs: number;
  readonly signal: AbortSignal;
  /** Where the session is recorded, and under what name. */
  readonly trace: TracePlace;
  readonly sessionName: string;
}

/** Errors: 41, 47, 58 no connection; 99 refused, with what to do. The connection is closed on any of them. */
export async function openFiler(options: OpenFiler): Promise<Filer> {
  const ofHost = versionMaxOf(options.host, options.filers);
  let versionMax = Math.min(options.versionMax, ofHost ?? options.versionMax);
  for (;;) {
    const connected = await connect(options, versionMax as NdmpVersion);
    if ('hungUpOn' in connected) {
      // Some servers hang up on a version that they do not speak, instead of refusing it.
      versionMax = connected.hungUpOn - 1;
      continue;
    }
    try {
      return await getToKnow(connected, options);
    } catch (error) {
      connected.client.close();
      throw error;
    }
  }
}

type Connected = Pick<Filer, 'client' | 'socket' | 'version'>;

async function connect(
  options: OpenFiler,
  versionMax: NdmpVersion,
): Promise<Connected | { hungUpOn: number }> {
  const { host, access, connectTimeoutMs, callTimeoutMs, signal } = options;
  const place = `${access.address} port ${access.port}`;
  const address = { host: access.address, port: access.port };
  const plain = await connectNdmp(address, connectTimeoutMs, signal).catch((error: unknown) => {
    throw connectFailure(error, host, place);
  });
  const socket = traced(plain, { name: options.sessionName, host }, options.trace);
  // Only a connection that is settled may tell the session of its end.
  const settled = { is: false };
  const handlers: NdmpHandlers = {
    ...options.handlers,
    onClose: (error) => {
      if (settled.is) options.handlers.onClose?.(error);
    },
  };
  const client = new NdmpClient({ transport: socket, handlers, callTimeoutMs });
  try {
    const { version } = await client.connectOpen({ signal, versionMax });
    settled.is = true;
    return { client, socket, version };
  } catch (error) {
    const hungUp =
      error instanceof NdmpError && error.failure === 'closed' && error.request === 'connectOpen';
    if (hungUp && client.version > 2 && !signal.aborted) return { hungUpOn: client.version };
    client.close();
    throw openFailure(error, `${host} (${place})`);
  }
}

async function getToKnow(connected: Connected, options: OpenFiler): Promise<Filer> {
  const { client } = connected;
  const { host, signal, filers } = options;
  const { auth, authTypes } = await logIn(client, options);
  const identity = await identify(client, signal);
  const { quirks, why: recognised, own } = quirksOf(identity, host, filers);
  const butypes = await butypesOf(client, quirks.butypes, signal);
  const connectionTypes = await connectionTypesOf(client, signal);
  return {
    ...connected,
    agreesOnIpv6: ipv6Agreement(client, signal),
    ...{ identity, quirks, recognised, own, butypes, connectionTypes, auth, authTypes },
  };
}
