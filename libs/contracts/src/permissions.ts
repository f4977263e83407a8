// What each user of the bus may do, worked out from the contracts: nobody writes a permission by hand.

import { EVENTS, SERVICES } from '../gen/services.ts';
import {
  callerToken,
  durableName,
  type EventName,
  eventSubject,
  type Identity,
  inboxPrefix,
  requestSubject,
  type ServiceName,
  serveSubject,
  targetOf,
} from './subjects.ts';

export interface Permissions {
  readonly publish: readonly string[];
  readonly subscribe: readonly string[];
}

export interface StreamPlan {
  readonly stream: string;
  readonly subjects: readonly string[];
  readonly consumers: readonly { readonly durable: string; readonly filter: string }[];
}

const SERVICE_NAMES = Object.keys(SERVICES) as ServiceName[];
const EVENT_NAMES = Object.keys(EVENTS) as EventName[];

export function permissionsOf(identity: Identity): Permissions {
  const caller = callerToken(identity);
  const publish = [
    ...callSubjects(identity.service, caller),
    ...publishedEvents(identity.service, caller),
  ];
  const subscribe = [`${inboxPrefix(caller)}.>`];
  if ((SERVICE_NAMES as string[]).includes(identity.service)) {
    const service = identity.service as ServiceName;
    subscribe.push(serveSubject(service, targetOf(service, identity.host)));
  }
  for (const event of EVENT_NAMES) {
    const { stream, consumers } = EVENTS[event];
    if (!(consumers as readonly string[]).includes(identity.service)) continue;
    if (stream === '') subscribe.push(eventSubject(event, '*'));
    else publish.push(...consumerSubjects(stream, durableName(identity.service, event)));
  }
  return { publish, subscribe };
}

function callSubjects(service: string, caller: string): string[] {
  return SERVICE_NAMES.flatMap((target) =>
    Object.entries(SERVICES[target].methods)
      .filter(([, method]) => (method.callers as readonly string[]).includes(service))
      .map(([name]) =>
        requestSubject(target, SERVICES[target].perHost ? '*' : 'any', name, caller),
      ),
  );
}

function publishedEvents(service: string, caller: string): string[] {
  return EVENT_NAMES.filter((event) => {
    const publishers = EVENTS[event].publishers as readonly string[];
    return publishers.includes(service) || publishers.includes('*');
  }).map((event) => eventSubject(event, caller));
}

/** Just enough to fetch from and acknowledge one durable: `$JS.API.>` would let it delete any stream. */
function consumerSubjects(stream: string, durable: string): string[] {
  return [
    '$JS.API.INFO',
    `$JS.API.CONSUMER.INFO.${stream}.${durable}`,
    `$JS.API.CONSUMER.MSG.NEXT.${stream}.${durable}`,
    `$JS.ACK.${stream}.${durable}.>`,
  ];
}

/** Every stream with its subjects and durables: what the provisioning user makes. */
export function streamPlans(): StreamPlan[] {
  const plans = new Map<
    string,
    { subjects: string[]; consumers: { durable: string; filter: string }[] }
  >();
  for (const event of EVENT_NAMES) {
    const { stream, consumers } = EVENTS[event];
    if (stream === '') continue;
    const plan = plans.get(stream) ?? { subjects: [], consumers: [] };
    const filter = eventSubject(event, '*');
    plan.subjects.push(filter);
    for (const service of consumers)
      plan.consumers.push({ durable: durableName(service, event), filter });
    plans.set(stream, plan);
  }
  return [...plans].map(([stream, plan]) => ({ stream, ...plan }));
}
