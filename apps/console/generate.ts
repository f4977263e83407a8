// Writes gen/api.d.ts: the types of the API's OpenAPI document, for the page's client. The document comes from the
// routes themselves, with ports that are never called.

import { mkdirSync, writeFileSync } from 'node:fs';
import fastify from 'fastify';
import openapiTS, { astToString } from 'openapi-typescript';
import { type ApiPorts, addApi } from './src/api.ts';

const app = fastify();
const openApi = await addApi(app, {
  ...({} as Pick<ApiPorts, 'bus' | 'feed' | 'passwords'>),
  clock: { nowMs: () => 0 },
  log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  limits: { lifeMs: 1, sessionsMax: 1 },
  secureCookie: false,
});
await app.ready();
const types = astToString(await openapiTS(openApi() as Parameters<typeof openapiTS>[0]));
await app.close();
mkdirSync(new URL('gen', import.meta.url), { recursive: true });
writeFileSync(new URL('gen/api.d.ts', import.meta.url), types);
