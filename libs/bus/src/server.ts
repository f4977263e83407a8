// The answering side of a service: handlers of one contract behind one queue subscription.

import { headers, type Msg, type NatsConnection } from '@nats-io/nats-core';
import {
  codec,
  type Identity,
  type MessageName,
  parseCaller,
  parseRequestSubject,
  SERVICES,
  type ServiceName,
  serveSubject,
  targetOf,
} from '@tapestry/contracts';
import { asStatusError, StatusError, toWire } from '@tapestry/status';
import type { BusLog, Call, Handlers, Server } from './bus.ts';
import { GOING_HEADER, STATUS_HEADER, TIMEOUT_HEADER } from './client.ts';
import { withTrace } from './trace.ts';

/** More calls at once than this are refused with 134, which callers try again. */
const IN_FLIGHT_MAX = 512;

export interface ServeMetrics {
  observe(method: string, caller: string, status: number, elapsedMs: number): void;
}

export interface ServeOptions<S extends ServiceName> {
  readonly connection: NatsConnection;
  readonly identity: Identity;
  readonly service: S;
  readonly handlers: Handlers<S>;
  readonly log: BusLog;
  readonly metrics?: ServeMetrics | undefined;
}

type AnyHandler = (request: unknown, call: Call) => Promise<unknown>;
interface Route {
  readonly request: MessageName;
  readonly reply: MessageName;
  readonly callers: readonly string[];
  readonly deadlineMs: number;
}

export async function serveService<S extends ServiceName>(
  options: ServeOptions<S>,
): Promise<Server> {
  const { connection, service, identity } = options;
  const stopping = new AbortController();
  const running = new Set<Promise<void>>();
  let going = false;
  const subject = serveSubject(service, targetOf(service, identity.host));
  const subscription = connection.subscribe(subject, {
    queue: service,
    callback: (error, message) => {
      if (error !== null) {
        options.log.error({ err: error, subject }, 'the subscription ended');
        return;
      }
      if (going) {
        refuse(message);
        return;
      }
      const run = answer(options, message, stopping.signal, running.size).finally(() =>
        running.delete(run),
      );
      running.add(run);
    },
  });
  await connection.flush();
  return {
    // What was sent before and arrives after is not begun: a service that stops saves nothing any more.
    stop: async (graceMs = 5_000) => {
      going = true;
      await subscription.drain().catch(() => undefined);
      const grace = setTimeout(() => stopping.abort(), graceMs);
      await Promise.allSettled(running);
      clearTimeout(grace);
    },
  };
}

function refuse(message: Msg): void {
  const head = headers();
  head.set(GOING_HEADER, 'yes');
  message.respond(undefined, { headers: head });
}

async function answer<S extends ServiceName>(
  options: ServeOptions<S>,
  message: Msg,
  stopping: AbortSignal,
  inFlight: number,
): Promise<void> {
  const { method, caller } = parseRequestSubject(message.subject);
  const startMs = performance.now();
  let status = 0;
  try {
    if (inFlight >= IN_FLIGHT_MAX) {
      throw new StatusError('resourcesBusy', `${options.service} has too many calls at once`);
    }
    const reply = await withTrace(message.headers, () => dispatch(options, message, stopping));
    message.respond(reply);
  } catch (error) {
    const failure = explain(options, error, method, caller);
    status = failure.code;
    const head = headers();
    head.set(STATUS_HEADER, String(failure.code));
    message.respond(codec('Status').encode(toWire(failure)), { headers: head });
  }
  options.metrics?.observe(method, caller, status, performance.now() - startMs);
}

async function dispatch<S extends ServiceName>(
  options: ServeOptions<S>,
  message: Msg,
  stopping: AbortSignal,
): Promise<Uint8Array> {
  const { method, caller } = parseRequestSubject(message.subject);
  const routes: Record<string, Route> = SERVICES[options.service].methods;
  const route = Object.hasOwn(routes, method) ? routes[method] : undefined;
  if (route === undefined) {
    throw new StatusError('notImplemented', `${options.service} has no method ${method}`);
  }
  const identity = parseCaller(caller);
  // The bus refuses this already; a bus without users (a developer's own) does not.
  if (!route.callers.includes(identity.service)) {
    throw new StatusError('accessNotAllowed', `${identity.service} may not call ${method}`);
  }
  const timeoutMs = Number(message.headers?.get(TIMEOUT_HEADER)) || route.deadlineMs;
  const call: Call = {
    caller: identity,
    callerToken: caller,
    method,
    deadlineMs: Date.now() + timeoutMs,
    signal: AbortSignal.any([stopping, AbortSignal.timeout(timeoutMs)]),
  };
  const handler = (options.handlers as unknown as Record<string, AnyHandler>)[method]!;
  const reply = await handler(codec(route.request).decode(message.data), call);
  return codec(route.reply).encode(reply as never);
}

function explain<S extends ServiceName>(
  options: ServeOptions<S>,
  error: unknown,
  method: string,
  caller: string,
): StatusError {
  if (error instanceof StatusError) {
    options.log.debug({ method, caller, status: error.code }, error.detail);
    return error;
  }
  options.log.error({ err: error, method, caller }, 'a call failed unexpectedly');
  return asStatusError(error);
}
