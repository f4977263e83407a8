// The one live stream of a page: changes of jobs, detail lines, daemons. `Last-Event-ID` (or `after`) goes on where
// a reader stopped; `gap` tells it to fetch again.

import { StatusError } from '@tapestry/status';
import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { openSse } from '../adapters/sse-writer.ts';
import type { ApiParts } from '../api.ts';
import { eventsQuerySchema, inputJsonSchema } from '../schemas.ts';

const READERS_MAX = 200;
const SESSION_CHECK_MS = 5_000;

export function addEventRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { feed, gate, log } = parts;
  app.get(
    '/api/events',
    {
      schema: {
        operationId: 'events',
        querystring: inputJsonSchema(eventsQuerySchema),
        produces: ['text/event-stream'],
        description: 'Server-sent events: hello, change, gap, daemon, robot, devices, ping, bye.',
      } as object,
    },
    async (request, reply) => {
      if (feed.readers() >= READERS_MAX) {
        throw new StatusError('resourcesBusy', 'too many pages are open on this console');
      }
      const lastId = request.headers['last-event-id'];
      const { after } = request.query as z.infer<typeof eventsQuerySchema>;
      const { user } = gate.sessionOf(request);
      const headers = reply.getHeaders() as Record<string, string | number | string[] | undefined>;
      reply.hijack();
      const writer = openSse(reply.raw, headers, () =>
        log.warn({ user, address: request.ip }, 'a page read too slowly, its stream was cut'),
      );
      // An open stream must not outlive the login that opened it.
      const check = setInterval(() => {
        try {
          gate.sessionOf(request);
        } catch {
          writer.send('event: bye\ndata: {}\n\n');
          writer.end();
        }
      }, SESSION_CHECK_MS);
      const leave = feed.open(writer, typeof lastId === 'string' ? lastId : after);
      reply.raw.on('close', () => {
        clearInterval(check);
        leave();
      });
    },
  );
}
