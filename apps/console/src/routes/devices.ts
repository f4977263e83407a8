// Devices: what there is and what it does, each library place by place, volumes a page at a time, and a drive set up or down.

import type { FastifyInstance } from 'fastify';
import type { z } from 'zod';
import { readDevices, readLibrary, readVolumes } from '../adapters/device-source.ts';
import type { ApiParts } from '../api.ts';
import { viewDevices } from '../core/device-view.ts';
import { viewLibrary } from '../core/library-view.ts';
import { viewVolumes } from '../core/volume-view.ts';
import {
  driveParamsSchema,
  driveStateBodySchema,
  robotParamsSchema,
  type VolumeQuery,
  volumeQuerySchema,
} from '../device-schemas.ts';
import { inputJsonSchema, ref } from '../schemas.ts';

const PROBLEMS = { '4xx': ref('Problem'), '5xx': ref('Problem') };

export function addDeviceRoutes(app: FastifyInstance, parts: ApiParts): void {
  const { bus } = parts;

  app.get(
    '/api/devices',
    { schema: { operationId: 'devices', response: { 200: ref('Devices'), ...PROBLEMS } } },
    async () => viewDevices(await readDevices(bus)),
  );

  app.get(
    '/api/robots/:robotNumber',
    {
      schema: {
        operationId: 'library',
        params: inputJsonSchema(robotParamsSchema),
        response: { 200: ref('LibraryShape'), ...PROBLEMS },
      },
    },
    async (request) => {
      const { robotNumber } = request.params as z.infer<typeof robotParamsSchema>;
      return viewLibrary(await readLibrary(bus, robotNumber));
    },
  );

  app.get(
    '/api/volumes',
    {
      schema: {
        operationId: 'listVolumes',
        querystring: inputJsonSchema(volumeQuerySchema),
        response: { 200: ref('VolumePage'), ...PROBLEMS },
      },
    },
    async (request) => viewVolumes(await readVolumes(bus, request.query as VolumeQuery)),
  );

  addDriveStateRoute(app, parts);
}

function addDriveStateRoute(app: FastifyInstance, { bus, gate, log }: ApiParts): void {
  app.post(
    '/api/drives/:drive/state',
    {
      schema: {
        operationId: 'setDriveState',
        params: inputJsonSchema(driveParamsSchema),
        body: inputJsonSchema(driveStateBodySchema),
        response: { 200: ref('Done'), ...PROBLEMS },
      },
    },
    async (request) => {
      const { drive } = request.params as z.infer<typeof driveParamsSchema>;
      const { up } = request.body as z.infer<typeof driveStateBodySchema>;
      const { user } = gate.sessionOf(request);
      const audit = { audit: up ? 'drive up' : 'drive down', user, address: request.ip, drive };
      const reason = up ? '' : `set down by ${user}`;
      try {
        await bus.client('nbemm').SetDriveState({ name: drive, up, reason });
      } catch (error) {
        log.warn({ ...audit, result: (error as Error).message }, 'a drive was not changed');
        throw error;
      }
      log.info({ ...audit, result: 'good' }, 'a drive was changed');
      return { done: true };
    },
  );
}
