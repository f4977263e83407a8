// nbemm as a daemon: wires store, lease, neighbours and handlers together.

import { join } from 'node:path';
import type { DaemonContext, DaemonDefinition } from '@tapestry/runtime';
import { startHousekeeping, startPrimary } from '@tapestry/store';
import { z } from 'zod';
import { type EmmDb, migrations } from './adapters/schema.ts';
import { makeSecretBox, readSealKey } from './adapters/secret-box.ts';
import { deviceHandlers } from './devices.ts';
import { hostHandlers } from './hosts.ts';
import { mediaHandlers } from './media.ts';
import type { Parts } from './parts.ts';
import { recordHandlers } from './records.ts';
import { selectionHandlers } from './selection.ts';

export const config = z
  .object({
    /** Secret that seals filer passwords; made in the state folder when left out. */
    sealKeyFile: z.string().optional(),
    /** Block size of what bptm writes: turned by who measures his drives. */
    blockSizeBytes: z.coerce.number().int().min(4_096).max(1_048_576).default(262_144),
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
        const server = await context.bus.serve('nbemm', {
          ...deviceHandlers(parts),
          ...hostHandlers(parts),
          ...mediaHandlers(parts),
          ...recordHandlers(parts),
          ...selectionHandlers(parts),
        });
        const housekeeping = startHousekeeping(store);
        parts.changed('start');
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

function makeParts(
  { bus, log, clock, config, dir }: DaemonContext<Config>,
  { store, gate }: Pick<Parts, 'store' | 'gate'>,
): Parts {
  const { sealKeyFile, blockSizeBytes } = config;
  const keyFile = sealKeyFile ?? join(dir, 'seal.key');
  return {
    ...{ store, gate, log, blockSizeBytes },
    box: makeSecretBox(readSealKey(keyFile, sealKeyFile === undefined)),
    nbrb: bus.client('nbrb'),
    ltid: (host) => bus.client('ltid', host),
    nowMs: () => clock.nowMs(),
    changed: (what) => {
      bus.publish('ResourcesChanged', { what }).catch((error: unknown) => {
        log.debug({ err: error }, 'nobody could be told of a change');
      });
    },
  };
}
