// The rules of handing out, said as plainly as they can be: everybody in turn, every way of meeting each request, the
// first that breaks no rule. No lines, no memory of what was tried, no speed. The planner must decide exactly this.

import type { MdsOption } from '@tapestry/contracts';
import type { Holdings, MpxGroup } from './books.ts';
import type { Offer } from './choice.ts';
import { type Counted, take, type Way, type World, worldOf } from './model-world.test-data.ts';
import { isWrite, type Need, needsOf, poolOf, type Waiting } from './need.ts';
import { type Ageing, byTurn, isAged } from './queue.ts';

export function handOut(
  queue: readonly Waiting[],
  holdings: Holdings,
  offerFor: (need: Need) => Offer,
  ageing: Ageing,
): { waiting: Waiting; ways: readonly Way[] }[] {
  const world = worldOf(holdings, () => true);
  const given: { waiting: Waiting; ways: readonly Way[] }[] = [];
  const linesThatWait = new Set<string>();
  let keepers = 0;
  for (const waiting of [...queue].sort((a, b) => byTurn(a.request, b.request, ageing))) {
    const { request } = waiting;
    const needs = needsOf(request);
    const offers = needs.map(offerFor);
    if (offers.some(({ refusal }) => refusal !== null)) continue;
    const line = [request.priority, request.maxMpx, ...needs.map(({ key }) => key)].join();
    if (linesThatWait.has(line)) continue;
    const ways = firstAllowed(world, needs, offers, request.maxMpx);
    if (ways !== undefined && hasRoomFor(world, request.counters)) {
      given.push({ waiting, ways });
      take(world, waiting, ways);
      continue;
    }
    if (ways === undefined) {
      linesThatWait.add(line);
      for (const [at, need] of needs.entries()) {
        const offered = offers[at]!.choices.length > 0;
        if (!isWrite(need.request) && offered) world.volumesKept.add(need.request.mediaId);
      }
    }
    const wantsSeveral = request.counters.length > 0 || needs.length > 1;
    if (!isAged(request, ageing) || !wantsSeveral || keepers >= 16) continue;
    const fits = (held: Counted, uses: Holdings['uses']): boolean => {
      const hoped = worldOf({ ...holdings, uses, groups: [] }, held);
      return firstAllowed(hoped, needs, offers, 1) !== undefined;
    };
    if (!fits((_, reason) => reason !== '', [])) continue;
    keepers += 1;
    for (const { name } of request.counters) world.countersKept.add(name);
    const drivesApart: Counted = (kind, reason) => kind === 'volume' || reason !== '';
    if (needs.length < 2 || !fits(drivesApart, holdings.uses)) continue;
    for (const { choices } of offers) {
      const names = choices.flatMap(({ drives }) => drives.map(({ name }) => name));
      const free = names.find((name) => !world.drives.has(name));
      if (free !== undefined) world.drives.add(free);
    }
  }
  return given;
}

function hasRoomFor(world: World, counters: readonly { name: string; limit: number }[]): boolean {
  return counters.every(({ name, limit }) => {
    const used = (world.counters.get(name) ?? 0) + (world.countersKept.has(name) ? 1 : 0);
    return limit === 0 || used < limit;
  });
}

function firstAllowed(
  world: World,
  needs: readonly Need[],
  offers: readonly Offer[],
  maxMpx: number,
): Way[] | undefined {
  const combine = (at: number): Way[][] =>
    at === needs.length
      ? [[]]
      : waysOf(world, needs[at]!, offers[at]!, maxMpx).flatMap((way) =>
          combine(at + 1).map((rest) => [way, ...rest]),
        );
  const first = combine(0).find(
    (ways) => ways.some(({ group }) => group?.state === 'opening') || isAllowed(world, ways),
  );
  return first?.some(({ group }) => group?.state === 'opening') ? undefined : first;
}

/** Every way to meet a need, best first. */
function waysOf(world: World, need: Need, { choices, selection }: Offer, maxMpx: number): Way[] {
  const rank = ({ storageUnit, mediaServer }: MdsOption): number =>
    selection === 'MDS_SELECTION_ROUND_ROBIN'
      ? (world.turns.get(storageUnit) ?? 0)
      : selection === 'MDS_SELECTION_LOAD_BALANCE'
        ? (world.servers.get(mediaServer) ?? 0)
        : 0;
  const inTurn = [...choices].sort((a, b) => rank(a) - rank(b));
  const way = (option: MdsOption, more: Partial<Way>): Way => ({
    ...{ need, option, drive: '', mediaId: '', needsAssign: false, group: undefined, ...more },
  });
  const joins = inTurn.flatMap((option) => {
    const group = world.groups.find((each) => isJoinable(each, need, option, maxMpx));
    return maxMpx > 1 && isWrite(need.request) && group !== undefined
      ? [way(option, { group })]
      : [];
  });
  const alone = inTurn.flatMap((option) =>
    option.diskPath !== ''
      ? [way(option, {})]
      : option.volumes.flatMap(({ volume, needsAssign, mountedDrive }) => {
          const drives = option.drives.map(({ name }) => name);
          drives.sort((a, b) => Number(b === mountedDrive) - Number(a === mountedDrive));
          return drives.map((drive) =>
            way(option, { drive, mediaId: volume!.mediaId, needsAssign }),
          );
        }),
  );
  return [...joins, ...alone];
}

function isJoinable(
  group: MpxGroup,
  { request }: Need,
  option: MdsOption,
  maxMpx: number,
): boolean {
  return (
    group.state !== 'closed' &&
    group.storageUnit === option.storageUnit &&
    group.pool === poolOf(request) &&
    group.retentionLevel === request.retentionLevel &&
    group.members < Math.min(group.max, maxMpx, option.maxMpx) &&
    !request.avoidMediaIds.includes(group.mediaId)
  );
}

function isAllowed(world: World, ways: readonly Way[]): boolean {
  return ways.every(({ need, option, drive, mediaId, group }, at) => {
    if (group !== undefined) return true;
    const before = ways.slice(0, at);
    const writes = isWrite(need.request);
    const sameUnit = before.filter(
      (way) => isWrite(way.need.request) && way.option.storageUnit === option.storageUnit,
    );
    const used = (world.units.get(option.storageUnit) ?? 0) + sameUnit.length;
    if (writes && option.maxDrives > 0 && used >= option.maxDrives) return false;
    if (!hasRoomFor(world, option.counters)) return false;
    if (option.diskPath !== '') return true;
    const takenBefore = before.some((way) => way.drive === drive || way.mediaId === mediaId);
    if (takenBefore || world.drives.has(drive) || world.volumes.has(mediaId)) return false;
    return !writes || !world.volumesKept.has(mediaId);
  });
}

/** The volume on which an image of this group goes on: the first that nobody else holds and, to write, nobody waits to read. */
export function goesOnUpon(
  offered: readonly string[],
  group: string,
  { held, queue, writes }: GoingOn,
): string | undefined {
  const wanted = queue.flatMap(({ request }) => needsOf(request).map((need) => need.request));
  return offered.find((mediaId) => {
    const others = held.some((each) => each.name === mediaId && each.group !== group);
    const read = wanted.some((need) => !isWrite(need) && need.mediaId === mediaId);
    return !others && !(writes && read);
  });
}

export interface GoingOn {
  readonly held: readonly { readonly name: string; readonly group: string }[];
  readonly queue: readonly Waiting[];
  readonly writes: boolean;
}
