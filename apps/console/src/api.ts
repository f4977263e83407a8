// The API as a fastify plugin: headers, login, errors and the routes. It constructs nothing with a socket, so that
// the OpenAPI document can be written without a bus.

import cookie from '@fastify/cookie';
import swagger from '@fastify/swagger';
import type { Bus } from '@tapestry/bus';
import { asStatusError, StatusError } from '@tapestry/status';
import type { FastifyError, FastifyInstance } from 'fastify';
import type { EventFeed } from './adapters/event-feed.ts';
import type { PasswordCheck } from './adapters/password-file.ts';
import { httpCodeOf, problemOf } from './core/sentences.ts';
import type { SessionLimits } from './core/sessions.ts';
import { type Gate, makeGate, refuseForeign, SECURITY_HEADERS } from './gate.ts';
import { addDeviceRoutes } from './routes/devices.ts';
import { addEventRoutes } from './routes/events.ts';
import { addJobRoutes } from './routes/jobs.ts';
import { addSessionRoutes } from './routes/session.ts';
import { addSystemRoutes } from './routes/system.ts';
import { namedJsonSchemas } from './schemas.ts';

export interface ApiLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
  error(fields: object, text: string): void;
}

export interface ApiPorts {
  readonly bus: Bus;
  readonly feed: EventFeed;
  readonly passwords: PasswordCheck;
  readonly clock: { nowMs(): number };
  readonly log: ApiLog;
  readonly limits: SessionLimits;
  readonly secureCookie: boolean;
}

export interface ApiParts extends ApiPorts {
  readonly gate: Gate;
}

/** Adds everything under /api. Answers with a way to the OpenAPI document once fastify is ready. */
export async function addApi(root: FastifyInstance, ports: ApiPorts): Promise<() => object> {
  const gate = makeGate(ports);
  const parts: ApiParts = { ...ports, gate };
  let openApi = (): object => ({});
  await root.register(cookie);
  await root.register(async (app) => {
    await app.register(swagger, {
      openapi: {
        openapi: '3.1.0',
        info: { title: 'Tapestry console', version: '1', description: 'Jobs, live.' },
      },
      refResolver: { buildLocalReference: (json, _base, _fragment, i) => nameOf(json, i) },
    });
    for (const schema of namedJsonSchemas()) app.addSchema(schema);
    app.addHook('onRequest', async (request, reply) => {
      reply.headers({ ...SECURITY_HEADERS, 'cache-control': 'no-store' });
      refuseForeign(request);
      const config = request.routeOptions.config as { noSession?: boolean };
      if (config.noSession !== true) gate.sessionOf(request);
    });
    answerErrors(app, ports.log);
    addSessionRoutes(app, parts);
    addJobRoutes(app, parts);
    addEventRoutes(app, parts);
    addDeviceRoutes(app, parts);
    addSystemRoutes(app, parts);
    openApi = () => app.swagger();
    app.get('/api/openapi.json', { schema: { hide: true } }, async () => openApi());
  });
  return () => openApi();
}

function nameOf(json: { $id?: unknown }, index: number): string {
  return typeof json.$id === 'string' ? json.$id : `schema${index}`;
}

function answerErrors(app: FastifyInstance, log: ApiLog): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const failure = statusOf(error);
    if (failure.status === 'systemError') {
      log.error({ err: error, url: request.url }, 'a request failed');
    }
    return reply.code(httpCodeOf(failure)).send(problemOf(failure));
  });
}

function statusOf(error: FastifyError): StatusError {
  if (error instanceof StatusError) return error;
  if (error.validation !== undefined || (error.statusCode ?? 500) < 500) {
    return new StatusError('invalidRequest', error.message);
  }
  return asStatusError(new Error('the console met a fault of its own, its log says more'));
}
