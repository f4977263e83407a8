// nbemm as a daemon: wires store, lease, neighbours and handlers together.

import { join } from 'node:path';
import type { Call, Handlers } from '@tapestry/bus';
import type { DaemonContext, DaemonDefinition } from '@tapestry/runtime';
import { startHousekeeping, startPrimary } from '@tapestry/store';
import { z } from 'zod';
import { InventoryBook } from './adapters/inventory-book.ts';
import { migrations } from './adapters/migrations.ts';
import type { EmmDb } from './adapters/schema.ts';
import { makeSecretBox, readSealKey } from './adapters/secret-box.ts';
import { checkBounds } from './core/request-bounds.ts';
import { deviceHandlers } from './devices.ts';
import { ejectHandlers } from './eject.ts';
import { FullDisks } from './full-disks.ts';
import { hostHandlers } from './hosts.ts';
import { machineHandlers } from './machines.ts';
import { ruleHandlers } from './media-rules.ts';
import type { Parts } from './parts.ts';
import { poolHandlers } from './pools.ts';
import { recordHandlers } from './records.ts';
import { inventoryHandlers } from './robot-inventory.ts';
import { selectionHandlers } from './selection.ts';
import { settingHandlers } from './settings.ts';
import { unitHandlers } from './units.ts';
import { contentsHandlers } from './volume-contents.ts';
import { volumeHandlers } from './volumes.ts';

export const config = z
  .object({
    /** Secret that seals filer passwords; made in the state folder when left out. */
    sealKeyFile: z.string().optional(),
    /** Block size of what bptm writes: turned by who measures his drives. */
    blockSizeBytes: z.coerce.number().int().min(4_096).max(1_048_576).default(262_144),
    /** Name of the primary server in lists of hosts: for a site where people know it by another. */
    primaryName: z.string().min(1).default('primary'),
  })
  .strict();

type Config = z.infer<typeof config>;

export const nbemm: DaemonDefinition<'nbemm', typeof config> = {
  service: 'nbemm',
  config,
  start: async (context) => {
    const primary = await startPrimary<EmmDb>({
      context,
      schema: 'nbemm',
      migrations,
      lead: async ({ store, leadership }) => {
        const parts = makeParts(context, { store, gate: leadership });
        const server = await context.bus.serve('nbemm', handlersOf(parts));
        const housekeeping = startHousekeeping(store);
        parts.changed('start', 0n);
        return {
          stop: async () => {
            await server.stop();
            await housekeeping.stop();
          },
        };
      },
    });
    return { stop: () => primary.stop() };
  },
};

function handlersOf(parts: Parts): Handlers<'nbemm'> {
  const { GetNdmpCredential, ...hosts } = hostHandlers(parts);
  return {
    GetNdmpCredential,
    ...bounded({
      ...deviceHandlers(parts),
      ...hosts,
      ...inventoryHandlers(parts),
      ...ejectHandlers(parts),
      ...machineHandlers(parts),
      ...poolHandlers(parts),
      ...ruleHandlers(parts),
      ...settingHandlers(parts),
      ...unitHandlers(parts),
      ...volumeHandlers(parts),
    }),
    ...contentsHandlers(parts),
    ...recordHandlers(parts),
    ...selectionHandlers(parts),
  };
}

/** What people write, checked before anything else looks at it. */
function bounded<H extends Partial<Handlers<'nbemm'>>>(handlers: H): H {
  const checked = Object.entries(handlers).map(([method, handler]) => [
    method,
    async (request: object, call: Call) => {
      checkBounds(request);
      return await (handler as (request: object, call: Call) => Promise<object>)(request, call);
    },
  ]);
  return Object.fromEntries(checked) as H;
}

function makeParts(
  { bus, log, clock, config, dir }: DaemonContext<Config>,
  { store, gate }: Pick<Parts, 'store' | 'gate'>,
): Parts {
  const { sealKeyFile, blockSizeBytes, primaryName } = config;
  const keyFile = sealKeyFile ?? join(dir, 'seal.key');
  return {
    ...{ store, gate, log, primaryName },
    inventory: new InventoryBook(store.db, blockSizeBytes),
    box: makeSecretBox(readSealKey(keyFile, sealKeyFile === undefined)),
    nbrb: bus.client('nbrb'),
    bpdbm: bus.client('bpdbm'),
    fullDisks: new FullDisks(bus.client('bpdbm'), log),
    ndmpagent: (host) => bus.client('ndmpagent', host),
    ltid: (host) => bus.client('ltid', host),
    nowMs: () => clock.nowMs(),
    changed: (what, sequence) => {
      bus.publish('ResourcesChanged', { what, sequence }).catch((error: unknown) => {
        log.debug({ err: error }, 'nobody could be told of a change');
      });
    },
  };
}
