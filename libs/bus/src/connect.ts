// Opens the connection of one identity and puts the parts of the bus together over it.

import { readFileSync } from 'node:fs';
import type { NatsConnection } from '@nats-io/nats-core';
import { connect } from '@nats-io/transport-node';
import { callerToken, type Identity, inboxPrefix } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Bus, BusLog } from './bus.ts';
import { makeClient } from './client.ts';
import { consumeEvent, hearEvent, publishEvent } from './events.ts';
import { type ServeMetrics, serveService } from './server.ts';

export interface ConnectOptions {
  readonly identity: Identity;
  /** One or more addresses, separated by commas. */
  readonly url: string;
  readonly password?: string;
  /** Certificate authority of the bus, PEM: asks for TLS. */
  readonly caFile?: string;
  readonly log: BusLog;
  readonly metrics?: ServeMetrics;
  /** Told whenever the connection is lost or comes back. */
  readonly onState?: (connected: boolean) => void;
  /** False (commands): fail at once when nothing listens. True (daemons): wait for the bus. */
  readonly waitForBus?: boolean;
}

/** Errors: 25 no bus there, 116 refused login. */
export async function connectBus(options: ConnectOptions): Promise<Bus> {
  const connection = await openConnection(options);
  let connected = true;
  void watchState(connection, options, (state) => {
    connected = state;
    options.onState?.(state);
  });
  const { identity, log } = options;
  return {
    identity,
    client: (service, host) => makeClient(connection, identity, service, host),
    serve: (service, handlers) =>
      serveService({ connection, identity, service, handlers, log, metrics: options.metrics }),
    publish: (event, message, extra) => publishEvent(connection, identity, event, message, extra),
    consume: (event, handler) => consumeEvent({ connection, identity, event, handler, log }),
    hear: (event, handler) => hearEvent({ connection, event, handler, log }),
    connected: () => connected && !connection.isClosed(),
    close: async () => {
      if (!connection.isClosed()) await connection.drain().catch(() => connection.close());
    },
  };
}

async function openConnection(options: ConnectOptions): Promise<NatsConnection> {
  const user = callerToken(options.identity);
  try {
    return await connect({
      servers: options.url.split(','),
      name: user,
      ...(options.password === undefined ? {} : { user, pass: options.password }),
      inboxPrefix: inboxPrefix(user),
      waitOnFirstConnect: options.waitForBus ?? true,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 100,
      reconnectJitter: 100,
      pingInterval: 10_000,
      maxPingOut: 3,
      timeout: 5_000,
      ...(options.caFile === undefined
        ? {}
        : { tls: { ca: readFileSync(options.caFile, 'utf8') } }),
    });
  } catch (error) {
    const refused = error instanceof Error && /authorization/i.test(error.message);
    throw new StatusError(
      refused ? 'authenticationFailed' : 'cannotConnect',
      refused
        ? `the bus at ${options.url} refused the login of ${user}: check its password file`
        : `no bus answers at ${options.url}: is Tapestry running? (bp.start_all starts it)`,
      {},
      { cause: error },
    );
  }
}

async function watchState(
  connection: NatsConnection,
  options: ConnectOptions,
  set: (connected: boolean) => void,
): Promise<void> {
  for await (const status of connection.status()) {
    if (status.type === 'disconnect') {
      options.log.warn({}, 'lost the bus, reconnecting');
      set(false);
    } else if (status.type === 'reconnect') {
      options.log.warn({}, 'the bus is back');
      set(true);
    } else if (status.type === 'error') {
      options.log.error({ err: status.error }, 'the bus refused something');
    }
  }
}
