// What a media server's list of runs means for the jobs whose runs it confirmed: some ended, some it no longer knows.

import type { RunRow } from '@tapestry/contracts';
import type { JobEvent } from './events.ts';

/** Events for those of the grants whose run is over or unknown; none for a run that goes on. */
export function runEvents(grantIds: readonly string[], runs: readonly RunRow[]): JobEvent[] {
  const known = new Map(runs.map((run) => [run.grant?.grantId ?? '', run]));
  return grantIds.flatMap((grantId): JobEvent[] => {
    const run = known.get(grantId);
    if (run === undefined) return [{ type: 'runMissing', grantId }];
    if (run.result === null || run.grant === null) return [];
    return [{ type: 'runEnded', grant: run.grant, result: run.result }];
  });
}
