// Events: stored ones through JetStream streams with one durable a consumer, live ones straight through.

import { jetstream } from '@nats-io/jetstream';
import { headers, type Msg, type NatsConnection } from '@nats-io/nats-core';
import {
  callerToken,
  codec,
  durableName,
  EVENTS,
  type EventName,
  eventSubject,
  type Identity,
  type Init,
  type Messages,
  parseCaller,
} from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { BusLog, EventInfo, Subscription } from './bus.ts';
import { injectTrace, withTrace } from './trace.ts';

const PUBLISH_TIMEOUT_MS = 2_000;
const RETRY_PAUSE_MS = 500;
/** How soon a message whose handler failed comes again. */
const REDELIVER_MS = 1_000;

export async function publishEvent<E extends EventName>(
  connection: NatsConnection,
  identity: Identity,
  event: E,
  message: Init<Messages[E]>,
  options: { readonly id?: string } = {},
): Promise<void> {
  const subject = eventSubject(event, callerToken(identity));
  const payload = codec(event).encode(message as never);
  const head = headers();
  injectTrace(head);
  if (EVENTS[event].stream === '') {
    connection.publish(subject, payload, { headers: head });
    return;
  }
  try {
    const id = options.id === undefined ? {} : { msgID: `${event}:${options.id}` };
    await jetstream(connection).publish(subject, payload, {
      timeout: PUBLISH_TIMEOUT_MS,
      headers: head,
      ...id,
    });
  } catch (error) {
    throw new StatusError(
      'cannotConnect',
      `the bus did not keep the event ${event}`,
      {},
      { cause: error },
    );
  }
}

export interface ConsumeOptions<E extends EventName> {
  readonly connection: NatsConnection;
  readonly identity: Identity;
  readonly event: E;
  readonly handler: (message: Messages[E], info: EventInfo) => Promise<void>;
  readonly log: BusLog;
}

/** Goes on over restarts of the bus; stops only when told to. */
export async function consumeEvent<E extends EventName>(
  options: ConsumeOptions<E>,
): Promise<Subscription> {
  let stopped = false;
  let close = async () => {};
  const loop = (async () => {
    while (!stopped) {
      try {
        await pull(options, (stop) => {
          close = stop;
        });
      } catch (error) {
        if (stopped) return;
        options.log.warn(
          { err: error, event: options.event },
          'the event stream broke, trying again',
        );
      }
      if (!stopped) await new Promise((resolve) => setTimeout(resolve, RETRY_PAUSE_MS));
    }
  })();
  return {
    stop: async () => {
      stopped = true;
      await close();
      await loop;
    },
  };
}

async function pull<E extends EventName>(
  options: ConsumeOptions<E>,
  onOpen: (stop: () => Promise<void>) => void,
): Promise<void> {
  const { connection, event, identity } = options;
  const stream = EVENTS[event].stream;
  const consumer = await jetstream(connection).consumers.get(
    stream,
    durableName(identity.service, event),
  );
  const messages = await consumer.consume({
    max_messages: 64,
    idle_heartbeat: 1_000,
    expires: 10_000,
  });
  onOpen(async () => {
    await messages.close();
  });
  for await (const message of messages) {
    const publisher = parseCaller(message.subject.slice(message.subject.lastIndexOf('.') + 1));
    const redeliveries = message.info.deliveryCount - 1;
    try {
      const body = codec(event).decode(message.data) as unknown as Messages[E];
      await withTrace(message.headers, () => options.handler(body, { publisher, redeliveries }));
      message.ack();
    } catch (error) {
      options.log.warn(
        { err: error, event, redeliveries },
        'an event was not handled, it comes again',
      );
      message.nak(REDELIVER_MS);
    }
  }
}

export interface HearOptions<E extends EventName> {
  readonly connection: NatsConnection;
  readonly event: E;
  readonly handler: (message: Messages[E], publisher: Identity) => void;
  readonly log: BusLog;
}

export async function hearEvent<E extends EventName>(
  options: HearOptions<E>,
): Promise<Subscription> {
  const { connection, event, log } = options;
  const subscription = connection.subscribe(eventSubject(event, '*'), {
    callback: (error, message: Msg) => {
      if (error !== null) {
        log.error({ err: error, event }, 'the subscription ended');
        return;
      }
      try {
        const publisher = parseCaller(message.subject.slice(message.subject.lastIndexOf('.') + 1));
        options.handler(codec(event).decode(message.data) as unknown as Messages[E], publisher);
      } catch (failure) {
        log.warn({ err: failure, event }, 'a live event was not handled');
      }
    },
  });
  await connection.flush();
  return { stop: async () => subscription.unsubscribe() };
}
