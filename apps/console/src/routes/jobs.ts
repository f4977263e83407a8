// Jobs: pages of the list, one job with all that is known of it, and its end on request.

import { StatusError } from '@tapestry/status';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { listJobs, readJob } from '../adapters/job-source.ts';
import type { ApiParts } from '../api.ts';
import { integer, toApiJob, toApiLine, toApiTry } from '../core/job-form.ts';
import {
  inputJsonSchema,
  type JobQuery,
  jobParamsSchema,
  jobQuerySchema,
  ref,
} from '../schemas.ts';

const PROBLEMS = { '4xx': ref('Problem'), '5xx': ref('Problem') };

type JobParams = z.infer<typeof jobParamsSchema>;

export function addJobRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { bus, feed, gate, log } = parts;

  app.get(
    '/api/jobs',
    {
      schema: {
        operationId: 'listJobs',
        querystring: inputJsonSchema(jobQuerySchema),
        response: { 200: ref('JobPage'), ...PROBLEMS },
      },
    },
    async (request) => {
      const { sequence, ...rows } = await listJobs(bus, request.query as JobQuery);
      return { ...rows, cursor: feed.cursorAt(sequence) };
    },
  );

  app.get(
    '/api/throughput',
    { schema: { operationId: 'throughput', response: { 200: ref('Throughput'), ...PROBLEMS } } },
    async () => ({ samples: feed.movingSamples() }),
  );

  app.get(
    '/api/jobs/:jobId',
    {
      schema: {
        operationId: 'getJob',
        params: inputJsonSchema(jobParamsSchema),
        response: { 200: ref('JobDetail'), ...PROBLEMS },
      },
    },
    async (request) => {
      const { jobId } = request.params as JobParams;
      const reply = await readJob(bus, jobId);
      if (reply.job === null) throw new StatusError('jobMissing', `there is no job ${jobId}`);
      return {
        job: toApiJob(reply.job),
        tries: reply.tries.map(toApiTry),
        lines: reply.lines.map(toApiLine),
        samples: feed.samplesOf(jobId),
        cursor: feed.cursorAt(integer(reply.sequence)),
        cancelCommand: `bpdbjobs -cancel -jobid ${jobId}`,
      };
    },
  );

  app.post(
    '/api/jobs/:jobId/cancel',
    {
      schema: {
        operationId: 'cancelJob',
        params: inputJsonSchema(jobParamsSchema),
        response: { 200: ref('Done'), ...PROBLEMS },
      },
    },
    async (request) => {
      const { jobId } = request.params as JobParams;
      const { user } = gate.sessionOf(request);
      const audit = { audit: 'cancel', user, address: request.ip, jobId };
      try {
        await bus.client('nbjm').CancelJob({ jobId: BigInt(jobId), requester: user });
      } catch (error) {
        log.warn({ ...audit, result: (error as Error).message }, 'a job was not cancelled');
        throw error;
      }
      log.info({ ...audit, result: 'good' }, 'a job was cancelled');
      return { done: true };
    },
  );
}
