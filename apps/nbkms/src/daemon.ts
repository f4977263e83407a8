// nbkms as a daemon: takes up its key store as the life before left it, and answers for it.

import { join } from 'node:path';
import { makeReaderKey } from '@tapestry/contracts';
import type { DaemonDefinition } from '@tapestry/runtime';
import { StatusError } from '@tapestry/status';
import { z } from 'zod';
import { type AuditLog, openAuditLog } from './adapters/audit-log.ts';
import { hostFiles } from './adapters/file-port.ts';
import { openGate } from './adapters/gate.ts';
import { openHolds } from './adapters/holds.ts';
import { APPROVED_POLICY, STANDARD_POLICY } from './adapters/key-derivation.ts';
import { keyFilePaths } from './adapters/key-files.ts';
import { makePassphrases } from './adapters/passphrases.ts';
import { lockStore } from './adapters/store-lock.ts';
import { makeTurns } from './adapters/turns.ts';
import { openUsageBook } from './adapters/usage-book.ts';
import { openVault, type Vault } from './adapters/vault.ts';
import { type DeliveryParts, deliveryHandlers } from './delivery-handlers.ts';
import { escrowHandlers } from './escrow-handlers.ts';
import { followHolds, groupHandlers, type KeyParts, keyHandlers } from './key-handlers.ts';
import { expireCalls, note } from './key-service.ts';
import { storeHandlers } from './store-handlers.ts';

export const config = z
  .object({
    /** For sites that may use approved algorithms alone: keys are derived by PBKDF2 instead of scrypt. */
    approvedOnly: z.boolean().default(false),
    /** Raised by sites that give each volume a group of its own. */
    keyGroupsMax: z.int().min(1).max(2_000).default(1_000),
    keysPerGroupMax: z.int().min(1).max(2_000).default(1_000),
  })
  .strict();

/** How long a change or a quiesce call waits for a change that is under way. */
const TURN_WAIT_MAX_MS = 30_000;
const CLOCK_MS = 1_000;

export const nbkms: DaemonDefinition<'nbkms', typeof config> = {
  service: 'nbkms',
  config,
  start: async ({ dir, log, health, config: settings, clock, bus }) => {
    const { dbDir } = keyFilePaths(dir);
    const vault = await openVaultAlone(dir);
    const audit = await openAuditLog(hostFiles, join(dbDir, 'KMS_AUDIT.log'));
    const parts: KeyParts & DeliveryParts = {
      ...{ vault: vault.store, audit, gate: await openGate(hostFiles, vault.store.paths) },
      holds: await openHolds(hostFiles, dbDir),
      turns: makeTurns({ atOnce: 1, waitMaxMs: TURN_WAIT_MAX_MS, what: 'the key store' }),
      passphrases: makePassphrases(
        makeReaderKey(),
        settings.approvedOnly ? APPROVED_POLICY : STANDARD_POLICY,
      ),
      limits: { groupsMax: settings.keyGroupsMax, keysPerGroupMax: settings.keysPerGroupMax },
      usage: openUsageBook(join(dbDir, 'KMS_USAGE.sqlite')),
      nbrb: bus.client('nbrb'),
      nowMs: () => clock.nowMs(),
      alert: (text) => log.warn({}, text),
    };
    await takeUp(parts, audit);
    const { groups, keys } = vault.store.document;
    log.info({ groups: groups.length, keys: keys.length }, 'the key store is open');
    if (vault.store.readOnly !== '') parts.alert(`no change is taken: ${vault.store.readOnly}`);
    health.leader(true);
    const clockwork = setInterval(() => {
      const work = async () => {
        await parts.turns(() => expireCalls(parts));
        await followHolds(parts);
      };
      work().catch((error: Error) => parts.alert(`a quiesce call could not end: ${error.message}`));
    }, CLOCK_MS);
    return {
      handlers: {
        ...{ ...groupHandlers(parts), ...keyHandlers(parts) },
        ...{ ...storeHandlers(parts), ...deliveryHandlers(parts), ...escrowHandlers(parts) },
      },
      stop: async () => {
        clearInterval(clockwork);
        await parts.turns(async () => {});
        await audit.close();
        parts.usage.close();
        vault.close();
      },
    };
  },
};

async function openVaultAlone(dir: string): Promise<{ store: Vault; close(): void }> {
  const { dbDir } = keyFilePaths(dir);
  const lock = lockStore(dbDir);
  try {
    return { store: await openVault(hostFiles, dir), close: () => lock.close() };
  } catch (error) {
    lock.close();
    throw error;
  }
}

/** Closes what a crash left open in the trail, and refuses a store that is older than the trail says. */
async function takeUp(parts: KeyParts, audit: AuditLog): Promise<void> {
  const { generation } = parts.vault.header;
  const { last } = audit;
  if (last !== undefined && BigInt(last.generation) > generation) {
    const why = `the audit trail knows generation ${last.generation}, KMS_DATA.dat is of ${generation}`;
    throw new StatusError('kmsRollback', `${why}: an older copy was put in place`);
  }
  if (last?.outcome === 'intent') {
    const outcome = BigInt(last.generation) < generation ? 'ok' : 'undone';
    const { actor, action, object } = last;
    await note(parts, { actor, action, object, reason: 'closed at the start after' }, outcome);
  }
  const start = { actor: 'nbkms', action: 'start', object: '', reason: '' };
  await note(parts, start, 'ok');
}
