// Serves the built page: hashed files for ever, the document always fresh, and the document for every address of
// the page, so that a link to a job works.

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import fastifyStatic from '@fastify/static';
import type { FastifyInstance } from 'fastify';
import { SECURITY_HEADERS } from './gate.ts';

const YEAR_MS = 365 * 24 * 3_600_000;

export async function addPage(root: FastifyInstance, pageDir: string): Promise<void> {
  await root.register(async (app) => {
    app.addHook('onRequest', async (_request, reply) => {
      reply.headers(SECURITY_HEADERS);
    });
    await app.register(fastifyStatic, {
      root: pageDir,
      serve: false,
      preCompressed: true,
      index: false,
    });
    app.get('/assets/*', async (request, reply) => {
      const { '*': name } = request.params as { '*': string };
      return reply.sendFile(`assets/${name}`, { maxAge: YEAR_MS, immutable: true });
    });
    app.get('/*', async (request, reply) => {
      const { '*': path } = request.params as { '*': string };
      if (path === 'favicon.svg') return reply.sendFile('favicon.svg');
      if (path.startsWith('api/') || path.includes('.')) return reply.callNotFound();
      if (!existsSync(join(pageDir, 'index.html'))) {
        return reply.code(503).type('text/plain').send(NOT_BUILT);
      }
      return reply.sendFile('index.html', { cacheControl: false });
    });
  });
}

const NOT_BUILT =
  'The page of the console has not been built.\nRun `npm run build -w apps/console` and load this again.\n';
