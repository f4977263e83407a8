// Metrics of a daemon, served as /metrics: Node's own, the bus's, and what the daemon adds.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

export interface Metrics {
  readonly registry: Registry;
  counter<L extends string>(name: string, help: string, labels?: readonly L[]): Counter<L>;
  gauge<L extends string>(name: string, help: string, labels?: readonly L[]): Gauge<L>;
  histogram<L extends string>(
    name: string,
    help: string,
    buckets: readonly number[],
    labels?: readonly L[],
  ): Histogram<L>;
}

/** Names get the prefix `tapestry_`. Units stand last in a name: `_seconds`, `_bytes`, `_total`. */
export function makeMetrics(service: string, host: string | undefined): Metrics {
  const registry = new Registry();
  registry.setDefaultLabels(host === undefined ? { service } : { service, host });
  collectDefaultMetrics({ register: registry });
  const common = { registers: [registry] };
  return {
    registry,
    counter: (name, help, labels = []) =>
      new Counter({ name: `tapestry_${name}`, help, labelNames: [...labels], ...common }),
    gauge: (name, help, labels = []) =>
      new Gauge({ name: `tapestry_${name}`, help, labelNames: [...labels], ...common }),
    histogram: (name, help, buckets, labels = []) =>
      new Histogram({
        name: `tapestry_${name}`,
        help,
        buckets: [...buckets],
        labelNames: [...labels],
        ...common,
      }),
  };
}
