// Everything that waits and everything that is held: nbrbutil -dump.

import type { DumpReply, Init } from '@tapestry/contracts';
import { grantOf } from './adapters/ledger.ts';
import { byTurn } from './core/queue.ts';
import type { Reasons } from './evaluation.ts';
import type { Parts } from './parts.ts';

export async function dump(parts: Parts, reasons: Reasons): Promise<Init<DumpReply>> {
  const { store, queue, limits } = parts;
  const ageing = { nowMs: parts.nowMs(), ageMs: limits.ageMs };
  const [grants, unknown] = await Promise.all([
    store.db.selectFrom('grants').selectAll().orderBy('epoch').execute(),
    store.db
      .selectFrom('holdings')
      .selectAll()
      .where('reason', '<>', '')
      .orderBy('kind')
      .orderBy('name')
      .execute(),
  ]);
  return {
    waiting: queue.requests.rows
      .sort((a, b) => byTurn(a.request, b.request, ageing))
      .map((waiting) => ({ request: waiting.request, reasons: [...(reasons(waiting) ?? [])] })),
    grants: grants.map((row) => ({
      grant: grantOf(row),
      renewedMs: BigInt(row.renewed_ms),
      // A grant whose volume is still being assigned is, for people, simply active.
      state: row.state === 'assigning' ? 'active' : row.state,
    })),
    unknown: unknown.map(({ kind, name, reason, since_ms }) => ({
      ...{ kind, name, reason },
      sinceMs: BigInt(since_ms),
    })),
  };
}
