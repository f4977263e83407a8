// Carries the W3C trace context in message headers, so that one request can be followed through every daemon.

import type { MsgHdrs } from '@nats-io/nats-core';
import { context, propagation } from '@opentelemetry/api';

export function injectTrace(into: MsgHdrs): void {
  propagation.inject(context.active(), into, {
    set: (headers, key, value) => headers.set(key, value),
  });
}

export function withTrace<T>(headers: MsgHdrs | undefined, run: () => T): T {
  if (headers === undefined) return run();
  const parent = propagation.extract(context.active(), headers, {
    get: (from, key) => from.get(key) || undefined,
    keys: (from) => from.keys(),
  });
  return context.with(parent, run);
}
