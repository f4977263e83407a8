// What nbkms does with its store: each change is let through the gate, told to the audit trail, made by a pure step,
// committed, and told again. Changes go one after the other; reading waits for none.

import { StatusError } from '@tapestry/status';
import type { AuditEvent } from './adapters/audit-chain.ts';
import type { AuditLog } from './adapters/audit-log.ts';
import type { Gate } from './adapters/gate.ts';
import type { Holds } from './adapters/holds.ts';
import type { TakeTurn } from './adapters/turns.ts';
import type { Vault } from './adapters/vault.ts';
import type { KeyStoreDocument, Limits } from './core/key-store.ts';

export interface StoreParts {
  readonly vault: Vault;
  readonly gate: Gate;
  readonly holds: Holds;
  readonly audit: AuditLog;
  readonly turns: TakeTurn;
  readonly limits: Limits;
  readonly nowMs: () => number;
  /** For people who watch the daemon: what needs looking at. */
  readonly alert: (text: string) => void;
}

/** Who asks for what, as the audit trail keeps it. */
export interface Deed {
  readonly actor: string;
  readonly action: string;
  readonly object: string;
  readonly reason: string;
}

interface Stepped {
  readonly document: KeyStoreDocument;
}

/** What a step answered, and whether it changed anything. */
export type Changed<T> = T & { readonly changed: boolean; readonly generation: bigint };

/** Errors: those of `step`, 1203, 1204, 1207, 1260, 1261, 1274. */
export async function change<T extends Stepped>(
  parts: StoreParts,
  deed: Deed,
  step: (document: KeyStoreDocument, nowMs: number) => T,
): Promise<Changed<T>> {
  return await parts.turns(async () => {
    await expireCalls(parts);
    const { vault } = parts;
    const stepped = await refusalsTold(parts, deed, () => {
      parts.gate.requireOpen();
      return step(vault.document, parts.nowMs());
    });
    if (stepped.document !== vault.document) {
      await committed(parts, deed, () => vault.commit(stepped.document, parts.nowMs()));
      return { ...stepped, changed: true, generation: vault.header.generation };
    }
    return { ...stepped, changed: false, generation: vault.header.generation };
  });
}

/** Told before it is done and after, whatever came of it. Errors: those of `act`, 1274. */
export async function committed(
  parts: StoreParts,
  deed: Deed,
  act: () => Promise<void>,
): Promise<void> {
  await note(parts, deed, 'intent');
  try {
    await act();
  } catch (error) {
    // The trail is told if it can be; what went wrong is the answer in any case.
    await note(parts, deed, outcomeOf(error)).catch(() => undefined);
    throw error;
  }
  await note(parts, deed, 'ok');
}

/** A refused request is told too. */
export async function refusalsTold<T>(
  parts: StoreParts,
  deed: Deed,
  act: () => T | Promise<T>,
): Promise<T> {
  try {
    return await act();
  } catch (error) {
    await note(parts, deed, outcomeOf(error));
    throw error;
  }
}

/** Errors: 1274. */
export async function note(parts: StoreParts, deed: Deed, outcome: string): Promise<void> {
  const event: AuditEvent = {
    ...{ timeMs: parts.nowMs(), ...deed, outcome },
    generation: String(parts.vault.header.generation),
  };
  await parts.audit.note(event);
}

/** Calls whose time is over end; whoever copied the files under them may have a copy of two contents. */
export async function expireCalls(parts: StoreParts): Promise<void> {
  for (const lease of await parts.gate.expire(parts.nowMs())) {
    const who = lease.name === '' ? lease.by : `${lease.name} of ${lease.by}`;
    parts.alert(`the quiesce call ${who} ended by its time: a copy made under it may not be whole`);
    const deed = { actor: 'nbkms', action: 'ExpireQuiesce', object: lease.id, reason: who };
    await note(parts, deed, 'ok');
  }
}

function outcomeOf(error: unknown): string {
  return error instanceof StatusError ? error.status : 'failed';
}
