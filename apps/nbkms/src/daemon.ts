// nbkms as a daemon: reads and authenticates its key store at start, and tells of it.

import type { Handlers } from '@tapestry/bus';
import type { DaemonDefinition } from '@tapestry/runtime';
import { z } from 'zod';
import { type KeyStore, openKeyStore } from './adapters/key-files.ts';
import { CIPHER, summarize } from './core/key-store.ts';

export const config = z.object({}).strict();

export const nbkms: DaemonDefinition<'nbkms', typeof config> = {
  service: 'nbkms',
  config,
  start: async ({ dir, log, health }) => {
    const store = openKeyStore(dir);
    const { groups, keys } = store.document;
    log.info({ groups: groups.length, keys: keys.length }, 'the key store is open');
    health.leader(true);
    return { handlers: handlersOf(store) };
  },
};

function handlersOf(store: KeyStore): Handlers<'nbkms'> {
  const { document, hmkId, kpkId } = store;
  return {
    GetInfo: async () => ({
      ...{ ready: true, storeVersion: store.formatVersion, cipher: CIPHER, hmkId, kpkId },
      ...{ createdMs: BigInt(document.createdMs), modifiedMs: BigInt(store.modifiedMs) },
      ...{ keyGroups: document.groups.length, keys: document.keys.length, quiesceCalls: 0 },
    }),
    ListKeyGroups: async ({ name }) => ({
      groups: summarize(document, name).map((group) => ({
        ...{ name: group.name, cipher: group.cipher, description: group.description },
        ...{ createdMs: BigInt(group.createdMs), keys: group.keys },
      })),
    }),
  };
}
