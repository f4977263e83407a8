// Which runs begin now: what is due, less what runs already and what failed too often.

import type { Policy } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type LastBackup, type NextRun, nextRun, type Target } from './due.ts';
import { POLICY_TYPE } from './job-spec.ts';
import { blockedUntilMs, type EndedTry, type RetrySettings } from './retry.ts';
import { type Selection, selectionsOf } from './selections.ts';
import type { OffsetAt } from './windows.ts';

/** Names a target in maps: a NUL cannot be part of any of the three. */
export function targetKey(policy: string, client: string, path: string): string {
  return `${policy}\0${client}\0${path}`;
}

export interface PlanFacts {
  readonly policies: readonly Policy[];
  readonly history: ReadonlyMap<string, readonly LastBackup[]>;
  /** Targets that a job is queued, running or resting for. */
  readonly open: ReadonlySet<string>;
  readonly tries: ReadonlyMap<string, readonly EndedTry[]>;
  readonly nowMs: number;
  readonly offsetAt: OffsetAt;
  readonly settings: RetrySettings;
}

export interface DueRun extends NextRun {
  readonly selection: Selection;
}

export function dueRuns(facts: PlanFacts): DueRun[] {
  const { nowMs, offsetAt, settings } = facts;
  return targetsOf(facts.policies).flatMap((target) => {
    const key = targetKey(target.policy.name, target.client, target.path);
    if (facts.open.has(key)) return [];
    if (blockedUntilMs(facts.tries.get(key) ?? [], nowMs, settings) > nowMs) return [];
    const run = nextRun(target, facts.history.get(key) ?? [], nowMs, offsetAt);
    if (run === undefined || run.startMs > nowMs) return [];
    return [{ ...run, selection: target.selection }];
  });
}

/** Every client and path of the policies that this release can run. */
export function targetsOf(
  policies: readonly Policy[],
): (Target & { readonly selection: Selection })[] {
  return policies
    .filter((policy) => policy.type === POLICY_TYPE)
    .flatMap((policy) =>
      selectionsOrNone(policy).flatMap((selection) =>
        policy.clients.map((client) => ({ policy, client, path: selection.path, selection })),
      ),
    );
}

/** A policy whose list is wrong runs nothing by itself; a run by hand says what is wrong. */
function selectionsOrNone(policy: Policy): Selection[] {
  try {
    return selectionsOf(policy.includes);
  } catch (error) {
    if (error instanceof StatusError) return [];
    throw error;
  }
}
