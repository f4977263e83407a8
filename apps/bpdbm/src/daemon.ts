// bpdbm as a daemon: wires store, file lists, uploads and handlers together. Any number of instances answer; the one
// that holds the lease publishes the events and reconciles.

import { hostname } from 'node:os';
import { join } from 'node:path';
import { FileListReader } from '@tapestry/catalog';
import type { DaemonContext, DaemonDefinition } from '@tapestry/runtime';
import { StatusError } from '@tapestry/status';
import { EffectRunner, Effects, Leadership, openStore, startHousekeeping } from '@tapestry/store';
import { z } from 'zod';
import { FileStore } from './adapters/file-store.ts';
import { type ImageDb, migrations } from './adapters/schema.ts';
import { browseHandlers } from './browse.ts';
import { imageHandlers } from './images.ts';
import type { DbmEffects, Parts } from './parts.ts';
import { policyHandlers } from './policies.ts';
import { reconcile } from './reconcile.ts';
import { planRestore } from './restores.ts';
import { addUploadRoute, ticketHandlers } from './uploads.ts';

const GIB = 1024 ** 3;

const config = z
  .object({
    /** Where media servers reach this daemon's HTTP side; its own address when left out. */
    uploadUrl: z.url().optional(),
    /** Folder of the file lists, when it is not to be in the state folder: a shared volume for several instances. */
    filesDir: z.string().optional(),
    /** The largest file list that is taken: turned for images of very many files. */
    fileListBytesMax: z.coerce
      .number()
      .int()
      .positive()
      .default(64 * GIB),
    /** Memory of the query engine while somebody browses. */
    queryMemoryBytes: z.coerce
      .number()
      .int()
      .positive()
      .default(GIB / 4),
  })
  .strict();

type Config = z.infer<typeof config>;

export const bpdbm: DaemonDefinition<'bpdbm', typeof config> = {
  service: 'bpdbm',
  config,
  start: async (context) => {
    let parts: Parts | undefined;
    addUploadRoute(context.http, () => parts);
    parts = await makeParts(context);
    const ready = parts;
    const leading = startLeading(context, ready);
    const housekeeping = startHousekeeping(ready.store);
    return {
      handlers: {
        ...policyHandlers(ready),
        ...imageHandlers(ready),
        ...ticketHandlers(ready),
        ...browseHandlers(ready),
        PlanRestore: (request) => planRestore(ready, request),
      },
      stop: async () => {
        await leading.stop();
        await housekeeping.stop();
        await ready.lists.close();
        await ready.store.close();
      },
    };
  },
};

async function makeParts(context: DaemonContext<Config>): Promise<Parts> {
  const { base, bus, clock, config, dir, http, log } = context;
  if (base.databaseUrl === undefined) {
    throw new StatusError('requiredValueNotSet', 'TAPESTRY_DATABASE_URL names no database');
  }
  const store = await openStore<ImageDb>({
    connection: { url: base.databaseUrl, passwordFile: base.databasePasswordFile },
    ...{ schema: 'bpdbm', migrations, log },
  });
  return {
    ...{ store, log, effects: new Effects<DbmEffects>(), nbjm: bus.client('nbjm') },
    files: new FileStore(config.filesDir ?? join(dir, 'file-lists')),
    lists: new FileListReader({
      tempDir: join(dir, `query-${base.instance}`),
      memoryLimitBytes: config.queryMemoryBytes,
    }),
    nowMs: () => clock.nowMs(),
    uploadUrl: () =>
      (config.uploadUrl ?? ownUrl(base.httpHost, http.server.address())).replace(/\/+$/, ''),
    fileListBytesMax: config.fileListBytesMax,
  };
}

/** `address` is known once the server listens. */
function ownUrl(
  host: string,
  address: ReturnType<DaemonContext<Config>['http']['server']['address']>,
) {
  if (address === null || typeof address === 'string') {
    throw new StatusError('cannotConnect', 'file lists cannot be taken yet');
  }
  const everywhere = host === '0.0.0.0' || host === '::';
  const name = everywhere ? hostname() : host;
  return `http://${name.includes(':') ? `[${name}]` : name}:${address.port}`;
}

/** Events and reconciliation: done by one instance at a time. */
function startLeading({ base, bus, health }: DaemonContext<Config>, parts: Parts) {
  const stopping = new AbortController();
  let reconciled: Promise<void> | undefined;
  const gate = new Leadership<ImageDb>(parts.store, {
    instance: base.instance,
    onLeader: () => {
      health.leader(true);
      reconciled = reconcile(parts, stopping.signal);
    },
    onLost: (epoch) => {
      queueMicrotask(() => {
        throw new Error(`bpdbm: another instance leads after epoch ${epoch}`);
      });
    },
  });
  const runner = new EffectRunner<ImageDb, DbmEffects>({
    ...{ store: parts.store, effects: parts.effects, gate },
    handlers: {
      policyChanged: (payload, { key }) => bus.publish('PolicyChanged', payload, { id: key }),
      imageValidated: (payload, { key }) => bus.publish('ImageValidated', payload, { id: key }),
    },
  });
  gate.start();
  runner.start();
  return {
    stop: async () => {
      stopping.abort();
      await reconciled;
      await runner.stop();
      await gate.stop();
    },
  };
}
