// What the model of the rules looks at: who has what, as plain sets and counts.

import type { MdsOption } from '@tapestry/contracts';
import type { Holdings, MpxGroup } from './books.ts';
import { isWrite, jobOf, type Need, poolOf, type Waiting } from './need.ts';

/** One need met: a drive and a volume, a place in a group, or (neither) room on disk. */
export interface Way {
  readonly need: Need;
  readonly option: MdsOption;
  readonly drive: string;
  readonly mediaId: string;
  readonly needsAssign: boolean;
  readonly group: MpxGroup | undefined;
}

/** What is taken, counted and kept. */
export interface World {
  drives: Set<string>;
  volumes: Set<string>;
  /** Read by somebody who waits: closed to later writes. */
  volumesKept: Set<string>;
  counters: Map<string, number>;
  countersKept: Set<string>;
  units: Map<string, number>;
  servers: Map<string, number>;
  turns: Map<string, number>;
  groups: MpxGroup[];
}

const add = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1);
};

/** Which holdings count. */
export type Counted = (kind: string, reason: string) => boolean;

export function worldOf({ held, uses, groups }: Holdings, counts: Counted): World {
  const names = (kind: string): Set<string> =>
    new Set(held.filter((h) => h.kind === kind && counts(kind, h.reason)).map((h) => h.name));
  const world: World = {
    ...{ drives: names('drive'), volumes: names('volume'), volumesKept: new Set() },
    ...{ counters: new Map(), countersKept: new Set(), units: new Map(), servers: new Map() },
    ...{ turns: new Map(), groups: [...groups] },
  };
  for (const use of [...uses].sort((a, b) => Number(a.epoch - b.epoch))) {
    for (const name of use.counters) add(world.counters, name);
    if (use.writes) add(world.units, use.storageUnit);
    add(world.servers, use.mediaServer);
    world.turns.set(use.storageUnit, Number(use.epoch));
  }
  return world;
}

/** Writes down what a request gets. */
export function take(world: World, { key, request }: Waiting, ways: readonly Way[]): void {
  for (const { name } of request.counters) add(world.counters, name);
  for (const { need, option, drive, mediaId, needsAssign, group } of ways) {
    if (group !== undefined) {
      world.groups[world.groups.indexOf(group)] = { ...group, members: group.members + 1 };
      continue;
    }
    const { storageUnit } = option;
    if (drive !== '') world.drives.add(drive);
    if (mediaId !== '') world.volumes.add(mediaId);
    for (const { name } of option.counters) add(world.counters, name);
    add(world.servers, option.mediaServer);
    world.turns.set(storageUnit, Math.max(0, ...world.turns.values()) + 1);
    if (!isWrite(need.request)) continue;
    add(world.units, storageUnit);
    const max = Math.min(option.maxMpx, request.maxMpx);
    if (max <= 1 || drive === '') continue;
    const { retentionLevel } = need.request;
    world.groups.push({
      ...{ id: key, jobId: jobOf(request), storageUnit, pool: poolOf(need.request) },
      ...{
        retentionLevel,
        drive,
        mediaId,
        members: 1,
        max,
        state: needsAssign ? 'opening' : 'open',
      },
    });
  }
}
