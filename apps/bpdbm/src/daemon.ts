// bpdbm as a daemon: wires store, file lists, uploads and handlers together. Any number of instances answer; the one
// that holds the lease publishes the events and reconciles.

import { hostname } from 'node:os';
import { join } from 'node:path';
import { FileListReader } from '@tapestry/catalog';
import { type DaemonContext, type DaemonDefinition, tellDetail } from '@tapestry/runtime';
import { StatusError } from '@tapestry/status';
import { EffectRunner, Effects, Leadership, openStore, startHousekeeping } from '@tapestry/store';
import { z } from 'zod';
import { FileStore } from './adapters/file-store.ts';
import { type ImageDb, migrations } from './adapters/schema.ts';
import { browseHandlers } from './browse.ts';
import { CleanupLoop, cleanupHandlers } from './cleanup-loop.ts';
import { recordContents } from './contents.ts';
import { expirationHandlers } from './expiration.ts';
import { imageHandlers } from './images.ts';
import type { DbmEffects, Parts } from './parts.ts';
import { policyHandlers } from './policies.ts';
import { reconcile } from './reconcile.ts';
import { planRestore } from './restores.ts';
import { addUploadRoute, ticketHandlers } from './uploads.ts';

const GIB = 1024 ** 3;
const HOUR_MS = 3_600_000;

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
    /** How often expired images are removed: turned where room on disks is short. */
    cleanupEveryMs: z.coerce
      .number()
      .int()
      .min(1_000)
      .default(12 * HOUR_MS),
    /** When the next cleanup begins after one that did not reach everything. */
    cleanupRetryMs: z.coerce.number().int().min(1_000).default(HOUR_MS),
    /** How long after a start the first cleanup begins: for sites whose media servers start slowly. */
    cleanupFirstMs: z.coerce.number().int().min(0).default(600_000),
  })
  .strict();

type Config = z.infer<typeof config>;

export const bpdbm: DaemonDefinition<'bpdbm', typeof config> = {
  service: 'bpdbm',
  config,
  start: async (context) => {
    let parts: Parts | undefined;
    addUploadRoute(context.http, () => parts);
    let cleanups: CleanupLoop | undefined;
    parts = await makeParts(context, () => cleanups?.wake());
    const ready = parts;
    const leading = startLeading(context, ready);
    cleanups = new CleanupLoop(ready, { gate: leading.gate, ...cleanupTimes(context.config) });
    cleanups.start();
    const housekeeping = startHousekeeping(ready.store);
    return {
      handlers: {
        ...policyHandlers(ready),
        ...imageHandlers(ready),
        ...ticketHandlers(ready),
        ...browseHandlers(ready),
        ...cleanupHandlers(ready),
        ...expirationHandlers(ready),
        PlanRestore: (request) => planRestore(ready, request),
      },
      stop: async () => {
        await cleanups?.stop();
        await leading.stop();
        await housekeeping.stop();
        await ready.lists.close();
        await ready.store.close();
      },
    };
  },
};

function cleanupTimes({ cleanupEveryMs, cleanupRetryMs, cleanupFirstMs }: Config) {
  return { everyMs: cleanupEveryMs, retryMs: cleanupRetryMs, firstMs: cleanupFirstMs };
}

async function makeParts(context: DaemonContext<Config>, wake: () => void): Promise<Parts> {
  const { base, bus, clock, config, dir, http, log } = context;
  if (base.databaseUrl === undefined) {
    throw new StatusError('requiredValueNotSet', 'TAPESTRY_DATABASE_URL names no database');
  }
  const store = await openStore<ImageDb>({
    connection: { url: base.databaseUrl, passwordFile: base.databasePasswordFile },
    ...{ schema: 'bpdbm', migrations, log },
  });
  return {
    ...{ store, log, wake, effects: new Effects<DbmEffects>(), nbjm: bus.client('nbjm') },
    ...{ nbrb: bus.client('nbrb'), nbemm: bus.client('nbemm') },
    bptm: (host) => bus.client('bptm', host),
    tellLine: ({ jobId, ...line }) =>
      tellDetail(bus, { attempt: { jobId, try: 1, step: 0 }, producer: 'bpdbm', ...line }),
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
      mediaContents: ({ mediaId }, { signal }) => recordContents(parts, mediaId, signal),
      imageValidated: (payload, { key }) => bus.publish('ImageValidated', payload, { id: key }),
    },
  });
  gate.start();
  runner.start();
  return {
    gate,
    stop: async () => {
      stopping.abort();
      await reconciled;
      await runner.stop();
      await gate.stop();
    },
  };
}
