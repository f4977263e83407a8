// Which drive and volume a request gets, or why it must wait: the first option whose resources are free, all parts of
// a request together or nothing. Reasons name drives and volumes, for people.

import type { DriveSpec, MdsOption, MdsSelection, MdsVolume, Status } from '@tapestry/contracts';
import type { Books, MpxGroup, Pick } from './books.ts';
import { isWrite, type Need, poolOf, type Waiting } from './need.ts';

/** What nbemm answered for a need. */
export interface Offer {
  readonly choices: readonly MdsOption[];
  readonly reasons: readonly string[];
  readonly refusal: Status | null;
  readonly selection: MdsSelection;
}

export type Choice =
  | { readonly picks: readonly Pick[] }
  | {
      readonly reasons: readonly string[];
      /** No drive is free (or none more may be used): another volume would not help. */
      readonly lacksDrive: boolean;
    };

const REASONS_MAX = 8;
const DRIVES_NAMED_MAX = 3;
/** More ways than this to combine the parts of one request are not tried in one round. */
const COMBINATIONS_MAX = 4_096;

/** Said once each, the first few. */
class Reasons {
  readonly #said = new Set<string>();
  lacksDrive = true;

  add(reason: string): void {
    if (this.isOpen) this.#said.add(reason);
  }

  get isOpen(): boolean {
    return this.#said.size < REASONS_MAX;
  }

  get list(): string[] {
    return [...this.#said];
  }
}

export function choose(
  books: Books,
  { request }: Waiting,
  needs: readonly Need[],
  offers: readonly Offer[],
): Choice {
  const reasons = new Reasons();
  let tries = 0;
  const pickFrom = (at: number, taken: readonly Pick[]): readonly Pick[] | undefined => {
    const need = needs[at];
    if (need === undefined) return taken;
    for (const pick of picks(books, need, offers[at]!, request.maxMpx, taken, reasons)) {
      if (pick === 'soon') return undefined;
      const all = pickFrom(at + 1, [...taken, pick]);
      if (all !== undefined) return all;
      if (++tries >= COMBINATIONS_MAX) return undefined;
    }
    return undefined;
  };
  const found = pickFrom(0, []);
  if (found !== undefined) return { picks: found };
  if (reasons.list.length === 0) {
    for (const why of offers.flatMap((each) => each.reasons)) reasons.add(why);
  }
  if (reasons.list.length === 0) reasons.add('nothing fits now');
  const { list, lacksDrive } = reasons;
  return { reasons: list, lacksDrive };
}

/** What is free for one need, best first; `soon`: a group opens in a moment, which is better than another drive. */
function* picks(
  books: Books,
  need: Need,
  offer: Offer,
  maxMpx: number,
  taken: readonly Pick[],
  reasons: Reasons,
): Generator<Pick | 'soon'> {
  const choices = inTurn(books, offer);
  if (maxMpx > 1 && isWrite(need.request)) {
    for (const option of choices) {
      const group = joinable(books, need, option, maxMpx);
      if (group?.state === 'opening') {
        reasons.add(`joins the streams of job ${group.jobId} on drive ${group.drive} in a moment`);
        yield 'soon';
      } else if (group !== undefined) yield joining(need, option, group);
    }
  }
  for (const option of choices) yield* picksOf(books, need, option, taken, reasons);
}

function inTurn(books: Books, { choices, selection }: Offer): readonly MdsOption[] {
  if (selection === 'MDS_SELECTION_IN_ORDER') return choices;
  const rank =
    selection === 'MDS_SELECTION_ROUND_ROBIN'
      ? ({ storageUnit }: MdsOption) => Number(books.turns.get(storageUnit) ?? 0n)
      : ({ mediaServer }: MdsOption) => books.servers.get(mediaServer) ?? 0;
  return [...choices].sort((a, b) => rank(a) - rank(b));
}

function joinable(
  books: Books,
  { request }: Need,
  option: MdsOption,
  maxMpx: number,
): MpxGroup | undefined {
  return books.groups.find(
    (group) =>
      group.state !== 'closed' &&
      group.storageUnit === option.storageUnit &&
      group.pool === poolOf(request) &&
      group.retentionLevel === request.retentionLevel &&
      group.members < Math.min(group.max, maxMpx, option.maxMpx) &&
      !request.avoidMediaIds.includes(group.mediaId),
  );
}

function joining(need: Need, option: MdsOption, join: MpxGroup): Pick {
  return { need, option, join, drive: null, volume: null };
}

function* picksOf(
  books: Books,
  need: Need,
  option: MdsOption,
  taken: readonly Pick[],
  reasons: Reasons,
): Generator<Pick> {
  const writes = isWrite(need.request);
  const full = (writes ? unitFull(books, option, taken) : undefined) ?? counterFull(books, option);
  if (full !== undefined) {
    // Who waits wants to know for whom, so the holders of drives come before a number.
    if (reasons.isOpen) for (const why of busyNow(books, option.drives)) reasons.add(why);
    return reasons.add(full);
  }
  if (option.diskPath !== '') {
    reasons.lacksDrive = false;
    return yield { need, option, drive: null, volume: null, join: undefined };
  }
  const drives = freeDrives(books, option.drives, taken, reasons);
  if (drives.length === 0) {
    // Only one volume serves a read, so its holder matters as much.
    const held = writes ? undefined : books.volumeTaken(need.request.mediaId, writes);
    if (held !== undefined) reasons.add(held);
    return;
  }
  // A read that lacks its one volume would be offered no other.
  if (writes) reasons.lacksDrive = false;
  for (const volume of option.volumes) {
    const mediaId = volume.volume?.mediaId ?? '';
    const held =
      books.volumeTaken(mediaId, writes) ??
      (taken.some((pick) => pick.volume?.volume?.mediaId === mediaId)
        ? `volume ${mediaId} is wanted twice by one request`
        : undefined);
    if (held !== undefined) reasons.add(held);
    else
      for (const drive of mountedFirst(drives, volume))
        yield { need, option, drive, volume, join: undefined };
  }
}

function unitFull(books: Books, option: MdsOption, taken: readonly Pick[]): string | undefined {
  const more = taken.filter(
    (pick) => isWrite(pick.need.request) && pick.option.storageUnit === option.storageUnit,
  );
  return books.unitFull(option, more.length);
}

function counterFull(books: Books, option: MdsOption): string | undefined {
  const full = option.counters.find(({ name, limit }) => !books.counterHasRoom(name, limit));
  return full && books.counterFull(full.name, full.limit);
}

function freeDrives(
  books: Books,
  drives: readonly DriveSpec[],
  taken: readonly Pick[],
  reasons: Reasons,
): readonly DriveSpec[] {
  const known = books.exhausted.get(drives);
  const free = known ? [] : drives.filter(({ name }) => books.driveIsFree(name));
  if (free.length === 0) {
    const why = known ?? whyNone(books, drives);
    books.exhausted.set(drives, why);
    for (const each of why) reasons.add(each);
  }
  if (taken.length === 0) return free;
  const own = free.filter(({ name }) => !taken.some((pick) => pick.drive?.name === name));
  if (own.length < free.length && own.length === 0) {
    reasons.add(`one more drive is needed beside ${free[0]?.name}`);
    for (const why of busyNow(books, drives)) reasons.add(why);
  }
  return own;
}

function busyNow(books: Books, drives: readonly DriveSpec[]): string[] {
  const busy = drives.filter(({ name }) => !books.driveIsFree(name)).slice(0, DRIVES_NAMED_MAX);
  return busy.map(({ name }) => books.driveTaken(name));
}

function whyNone(books: Books, drives: readonly DriveSpec[]): string[] {
  const why = drives.slice(0, DRIVES_NAMED_MAX).map(({ name }) => books.driveTaken(name));
  const rest = drives.length - why.length;
  return rest > 0 ? [...why, `${rest} more drives are not free`] : why;
}

function mountedFirst(drives: readonly DriveSpec[], volume: MdsVolume): readonly DriveSpec[] {
  const at = drives.findIndex(({ name }) => name === volume.mountedDrive);
  return at <= 0 ? drives : [drives[at]!, ...drives.slice(0, at), ...drives.slice(at + 1)];
}
