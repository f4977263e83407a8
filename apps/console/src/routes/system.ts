// The rest of what is looked at: daemons, and the overview in numbers.

import type { FastifyInstance } from 'fastify';
import { listJobs } from '../adapters/job-source.ts';
import type { ApiParts } from '../api.ts';
import { ref } from '../schemas.ts';

const PROBLEMS = { '4xx': ref('Problem'), '5xx': ref('Problem') };
const FAILURES_SHOWN = 20;
const DAY_MS = 24 * 3_600_000;

export function addSystemRoutes(app: FastifyInstance, { bus, feed, clock }: ApiParts): void {
  app.get(
    '/api/daemons',
    { schema: { operationId: 'listDaemons', response: { 200: ref('Daemons'), ...PROBLEMS } } },
    async () => ({ daemons: feed.daemons() }),
  );

  app.get(
    '/api/overview',
    { schema: { operationId: 'overview', response: { 200: ref('Overview'), ...PROBLEMS } } },
    async () => {
      const { jobs, counts } = await listJobs(bus, {
        limit: FAILURES_SHOWN,
        outcome: ['failed'],
        since: clock.nowMs() - DAY_MS,
      });
      const daemons = feed.daemons();
      return {
        counts,
        failures: jobs,
        daemonsUp: daemons.filter(({ state }) => state === 'up').length,
        daemonsTotal: daemons.length,
      };
    },
  );
}
