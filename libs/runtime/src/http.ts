// The HTTP side that every daemon has: /livez, /readyz and /metrics, the same in every deployment.

import fastify, { type FastifyInstance } from 'fastify';
import type { HealthRecord } from './health.ts';
import type { Metrics } from './metrics.ts';

export type { FastifyInstance };

export function makeHttp(health: HealthRecord, metrics: Metrics): FastifyInstance {
  const http = fastify({ logger: false, forceCloseConnections: true, requestTimeout: 60_000 });
  http.get('/livez', async () => ({ live: true }));
  http.get('/readyz', async (_request, reply) => {
    const state = health.state();
    // Whoever knows its process tells it from another that took its port.
    return reply.code(state.ready ? 200 : 503).send({ ...state, pid: process.pid });
  });
  http.get('/metrics', async (_request, reply) =>
    reply.type(metrics.registry.contentType).send(await metrics.registry.metrics()),
  );
  return http;
}
