// The asking side of a service: one function a method, made from the contract.

import { headers, type Msg, type NatsConnection, errors as nats } from '@nats-io/nats-core';
import {
  callerToken,
  codec,
  type Identity,
  type MessageName,
  requestSubject,
  SERVICES,
  type ServiceName,
  targetOf,
} from '@tapestry/contracts';
import { fromWire, StatusError } from '@tapestry/status';
import type { CallOptions, Client } from './bus.ts';
import { injectTrace } from './trace.ts';

export const TIMEOUT_HEADER = 'Tapestry-Timeout-Ms';
export const STATUS_HEADER = 'Tapestry-Status';
/** The answer of a service that is going: it has not looked at the call, which another instance or its next life may take. */
export const GOING_HEADER = 'Tapestry-Going';

/** A daemon that restarts is away for a moment: nobody took the call, so asking again is safe. */
const AWAY_MAX_MS = 5_000;
const AWAY_PAUSE_MS = 50;

interface Method {
  readonly request: MessageName;
  readonly reply: MessageName;
  readonly deadlineMs: number;
}

interface Asking {
  readonly connection: NatsConnection;
  readonly subject: string;
  /** How messages name the asked one: `nbrb`, or `bptm on media1`. */
  readonly who: string;
  readonly method: Method;
}

export function makeClient<S extends ServiceName>(
  connection: NatsConnection,
  identity: Identity,
  service: S,
  host?: string,
): Client<S> {
  const target = targetOf(service, host);
  const who = host === undefined ? service : `${service} on ${host}`;
  const methods: Record<string, Method> = SERVICES[service].methods;
  const client: Record<string, unknown> = {};
  for (const [name, method] of Object.entries(methods)) {
    const subject = requestSubject(service, target, name, callerToken(identity));
    const asking = { connection, subject, who, method };
    client[name] = (request: never, options?: CallOptions) => ask(asking, request, options ?? {});
  }
  return client as Client<S>;
}

async function ask(asking: Asking, request: never, options: CallOptions): Promise<unknown> {
  const { method } = asking;
  const endMs = performance.now() + (options.deadlineMs ?? method.deadlineMs);
  const payload = codec(method.request).encode(request);
  const awayEndMs = Math.min(endMs, performance.now() + AWAY_MAX_MS);
  for (;;) {
    options.signal?.throwIfAborted();
    try {
      const answer = await send(
        asking,
        payload,
        Math.max(1, endMs - performance.now()),
        options.signal,
      );
      if (answer.headers?.has(GOING_HEADER) === true) throw new Going();
      return read(answer, method);
    } catch (error) {
      if (!isAway(error)) throw asStatus(error, asking);
      if (performance.now() + AWAY_PAUSE_MS >= awayEndMs) {
        throw new StatusError(
          'cannotConnect',
          `${asking.who} does not answer: is it running? (bpps shows it)`,
          { service: asking.who },
          { cause: error },
        );
      }
      await new Promise((resolve) => setTimeout(resolve, AWAY_PAUSE_MS));
    }
  }
}

function send(
  asking: Asking,
  payload: Uint8Array,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<Msg> {
  const head = headers();
  head.set(TIMEOUT_HEADER, String(Math.ceil(timeoutMs)));
  injectTrace(head);
  const answer = asking.connection.request(asking.subject, payload, {
    timeout: Math.ceil(timeoutMs),
    headers: head,
  });
  if (signal === undefined) return answer;
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(signal.reason as Error);
    signal.addEventListener('abort', onAbort, { once: true });
    answer.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

function read(answer: Msg, method: Method): unknown {
  if (answer.headers?.has(STATUS_HEADER) === true) {
    throw fromWire(codec('Status').decode(answer.data));
  }
  return codec(method.reply).decode(answer.data);
}

class Going extends Error {
  override readonly name = 'Going';
}

/** Nobody took the call. */
function isAway(error: unknown): boolean {
  return (
    error instanceof Going ||
    error instanceof nats.NoRespondersError ||
    (error instanceof nats.RequestError && error.isNoResponders())
  );
}

function asStatus(error: unknown, asking: Asking): unknown {
  if (error instanceof StatusError) return error;
  const { who, subject } = asking;
  const cause = { cause: error };
  if (error instanceof nats.TimeoutError || (error as Error).cause instanceof nats.TimeoutError) {
    return new StatusError('connectTimedOut', `${who} did not answer in time`, { subject }, cause);
  }
  if (error instanceof Error && /permission/i.test(`${error.message} ${String(error.cause)}`)) {
    return new StatusError(
      'accessNotAllowed',
      `the bus does not allow ${subject}`,
      { subject },
      cause,
    );
  }
  if (
    error instanceof nats.RequestError ||
    error instanceof nats.ClosedConnectionError ||
    error instanceof nats.DrainingConnectionError ||
    error instanceof nats.ConnectionError
  ) {
    return new StatusError('cannotConnect', `the way to ${who} is broken`, { subject }, cause);
  }
  return error;
}
