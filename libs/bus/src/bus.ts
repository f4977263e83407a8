// What a daemon sees of the bus: typed calls, typed events, and nothing of NATS.

import type {
  EventName,
  Identity,
  Init,
  Messages,
  ServiceName,
  Services,
} from '@tapestry/contracts';

export interface CallOptions {
  /** How long to wait for the answer; the contract's deadline when left out. */
  readonly deadlineMs?: number;
  readonly signal?: AbortSignal;
}

type Reply<M> = M extends { reply: infer R } ? R : never;
type Request<M> = M extends { request: infer R } ? R : never;

/** One function a method. Each rejects with StatusError alone: 25 nobody answers, 41 no answer in time. */
export type Client<S extends ServiceName> = {
  readonly [M in keyof Services[S]]: (
    request: Init<Request<Services[S][M]>>,
    options?: CallOptions,
  ) => Promise<Reply<Services[S][M]>>;
};

export interface Call {
  /** Who asks, read from the subject: the bus lets nobody write another's. */
  readonly caller: Identity;
  readonly callerToken: string;
  readonly method: string;
  /** Epoch milliseconds after which the asker no longer waits. */
  readonly deadlineMs: number;
  /** Aborts at the deadline, and when the service stops. */
  readonly signal: AbortSignal;
}

/** One handler a method, all of them. A handler must be safe to run twice and late. */
export type Handlers<S extends ServiceName> = {
  readonly [M in keyof Services[S]]: (
    request: Request<Services[S][M]>,
    call: Call,
  ) => Promise<Init<Reply<Services[S][M]>>>;
};

export interface Server {
  /** Takes no more calls, and waits for those that run (at most graceMs). */
  stop(graceMs?: number): Promise<void>;
}

export interface EventInfo {
  readonly publisher: Identity;
  /** How often this message was delivered before. */
  readonly redeliveries: number;
}

export interface Subscription {
  stop(): Promise<void>;
}

export interface Bus {
  readonly identity: Identity;
  /** `host` names the media server of a service that runs once a host. */
  client<S extends ServiceName>(service: S, host?: string): Client<S>;
  serve<S extends ServiceName>(service: S, handlers: Handlers<S>): Promise<Server>;
  /**
   * Stored events: resolves when the stream has it (a repeat of `id` is dropped there), rejects with 25 or 41.
   * Live events: handed to the socket, heard by whoever listens now.
   */
  publish<E extends EventName>(
    event: E,
    message: Init<Messages[E]>,
    options?: { readonly id?: string },
  ): Promise<void>;
  /** In order, at least once: acknowledged when the handler resolves, delivered again when it does not. */
  consume<E extends EventName>(
    event: E,
    handler: (message: Messages[E], info: EventInfo) => Promise<void>,
  ): Promise<Subscription>;
  hear<E extends EventName>(
    event: E,
    handler: (message: Messages[E], publisher: Identity) => void,
  ): Promise<Subscription>;
  connected(): boolean;
  close(): Promise<void>;
}

/** What the bus needs of a logger: pino's shape. */
export interface BusLog {
  debug(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}
