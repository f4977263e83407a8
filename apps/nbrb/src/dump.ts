// Everything that waits and everything that is held: nbrbutil -dump.

import type { DumpReply, Init } from '@tapestry/contracts';
import { type GrantRow, grantOf, memberOf } from './adapters/ledger.ts';
import { readSetting } from './adapters/settings.ts';
import { isLive } from './core/life.ts';
import { byTurn } from './core/queue.ts';
import type { Reasons } from './evaluation.ts';
import type { Parts } from './parts.ts';
import { RETURNING } from './volume-return.ts';

export async function dump(parts: Parts, reasons: Reasons): Promise<Init<DumpReply>> {
  const { store, queue, limits } = parts;
  const ageing = { nowMs: parts.nowMs(), ageMs: limits.ageMs };
  const [suspended, grants, unknown] = await Promise.all([
    readSetting(store.db, 'suspended'),
    store.db.selectFrom('grants').selectAll().orderBy('epoch').execute(),
    store.db
      .selectFrom('holdings')
      .selectAll()
      .where('reason', 'not in', ['', RETURNING])
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
      reason: row.reason,
    })),
    unknown: unknown.map(({ kind, name, reason, since_ms }) => ({
      ...{ kind, name, reason },
      sinceMs: BigInt(since_ms),
    })),
    counters: countersOf(grants),
    suspended: suspended ?? '',
  };
}

function countersOf(grants: readonly GrantRow[]): { name: string; used: number }[] {
  const used = new Map<string, number>();
  for (const row of grants) {
    if (!isLive(memberOf(row))) continue;
    for (const name of row.counters) used.set(name, (used.get(name) ?? 0) + 1);
  }
  return [...used].sort().map(([name, count]) => ({ name, used: count }));
}
