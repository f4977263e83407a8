// What people ask of the store as a whole: to hold still for a copy, and to have other master keys.

import { readFileSync } from 'node:fs';
import type { Handlers } from '@tapestry/bus';
import { StatusError } from '@tapestry/status';
import { digestOf } from './adapters/durable-files.ts';
import { makeMasterKey } from './adapters/key-files.ts';
import { FIELD } from './core/container.ts';
import { TTL_DEFAULT_MS } from './core/leases.ts';
import { actorOf, deedOf, followHolds, type KeyParts } from './key-handlers.ts';
import { committed, expireCalls, refusalsTold } from './key-service.ts';
import { callOnWire, fileOnWire, infoOnWire } from './wire.ts';

const ID_BYTES_MAX = 255;

export function storeHandlers(
  parts: KeyParts,
): Pick<Handlers<'nbkms'>, 'Quiesce' | 'Unquiesce' | 'ModifyMasterKey'> {
  const { vault, gate, turns, passphrases } = parts;
  return {
    // Takes its turn, so that a change that is under way is in the files before they stand still.
    Quiesce: async ({ name, ttlMs, asked }, call) =>
      await turns(async () => {
        await expireCalls(parts);
        const { generation, epoch } = vault.header;
        const lease = await refusalsTold(parts, deedOf(call, name, asked), () =>
          gate.take(
            { name, by: actorOf(call, asked), ttlMs: Number(ttlMs ?? TTL_DEFAULT_MS), generation },
            parts.nowMs(),
          ),
        );
        await committed(parts, deedOf(call, lease.id, asked), async () => {});
        const { data, kpk, hmk } = vault.paths;
        const files = [data, kpk, hmk].map((path) => {
          const bytes = readFileSync(path);
          return fileOnWire(path, bytes, digestOf(bytes));
        });
        const outstanding = gate.leases.length;
        return { call: callOnWire(lease), outstanding, generation, epoch, files };
      }),
    Unquiesce: async ({ name, all, asked }, call) => {
      const ended = await turns(async () => {
        await expireCalls(parts);
        const deed = deedOf(call, all ? 'all' : name, asked);
        const gone = await refusalsTold(parts, deed, async () =>
          all ? await gate.endAll() : [await gate.end(name)],
        );
        await committed(parts, deed, async () => {});
        return gone;
      });
      if (all)
        parts.alert(
          `all quiesce calls were ended by ${actorOf(call, asked)}: ${asked?.reason ?? ''}`,
        );
      await followHolds(parts);
      return { outstanding: gate.leases.length, ended: ended.map(callOnWire) };
    },
    ModifyMasterKey: async ({ which, id, passphrase, asked }, call) => {
      const deed = deedOf(call, `${which} ${id}`, asked);
      const made = await refusalsTold(parts, deed, async () => {
        if (which !== 'hmk' && which !== 'kpk') throw new StatusError('kmsUsage', 'hmk or kpk');
        checkId(id);
        const siteSalt = vault.header.fields.get(FIELD.siteSalt)!;
        const text = passphrase === null ? undefined : passphrases.open(passphrase);
        const origin = { id, passphrase: text };
        return { [which]: await makeMasterKey(which, origin, siteSalt, passphrases.policy) };
      });
      await turns(async () => {
        await expireCalls(parts);
        await refusalsTold(parts, deed, () => gate.requireOpen());
        await committed(parts, deed, () => vault.replaceMasterKeys(made, parts.nowMs()));
      });
      return infoOnWire(parts, passphrases.publicKey);
    },
  };
}

/** Errors: 1209. */
export function checkId(id: string): void {
  if (id !== '' && Buffer.byteLength(id) <= ID_BYTES_MAX && !/\p{Cc}/u.test(id)) return;
  throw new StatusError('kmsUsage', `the id of a master key has 1 to ${ID_BYTES_MAX} bytes`);
}
