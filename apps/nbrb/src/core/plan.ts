// Which waiting requests are granted now? One round over the heads of the lines, in turn; a request that must wait lets
// others pass that want something else. Promises: nothing is given beyond its limit; who has waited long is not passed
// for ever, because what it lacks one by one is kept for it; and each round's work is bounded by what it gives out.

import type { NamedCounter, ResourceRequest, Status } from '@tapestry/contracts';
import { Books, type Holdings, type Pick } from './books.ts';
import { type Choice, choose, type Offer } from './choice.ts';
import { isWrite, jobOf, type Need, type Waiting } from './need.ts';
import { type Ageing, byTurn, isAged, type Line, type RequestQueue } from './queue.ts';

export interface KnownOffer {
  readonly offer: Offer;
  /** Asked after the holdings of this round were read. Only such an offer is granted from. */
  readonly fresh: boolean;
}

/** What nbemm has answered so far, by the key of the need. */
export interface Offers {
  find(needKey: string): KnownOffer | undefined;
}

export interface Given {
  readonly waiting: Waiting;
  readonly picks: readonly Pick[];
}

export interface Plan {
  /** In the order of giving. Only those that no missing offer can change. */
  readonly grants: readonly Given[];
  readonly refused: readonly { readonly waiting: Waiting; readonly status: Status }[];
  /** Ask nbemm for these and plan again. */
  readonly missing: ReadonlyMap<string, ResourceRequest>;
  /** Why a request waits; undefined: it was granted, refused, or not looked at. */
  reasonsOf(waiting: Waiting, line: Line | undefined): readonly string[] | undefined;
}

export interface PlanFacts extends Ageing {
  readonly queue: RequestQueue;
  readonly holdings: Holdings;
  readonly offers: Offers;
  /** Most offers to ask for before the next look. */
  readonly missingMax: number;
}

/** So many of those who have waited long have resources kept for them, and as many again are looked at for it. */
const KEEPERS_MAX = 16;
const KEEPER_TRIES_MAX = 64;

interface Head {
  readonly line: Line;
  at: number;
}

export function plan(facts: PlanFacts): Plan {
  return new Round(facts).run();
}

class Round {
  readonly #facts: PlanFacts;
  readonly #books: Books;
  readonly #grants: Given[] = [];
  readonly #refused: { waiting: Waiting; status: Status }[] = [];
  readonly #missing = new Map<string, ResourceRequest>();
  /** Key of a request → the counter that had no room. */
  readonly #fullCounters = new Map<string, NamedCounter>();
  readonly #choices = new Map<Line, { readonly version: number; readonly choice: Choice }>();
  readonly #lineReasons = new Map<string, readonly string[]>();
  /** Needs that cannot be met in this round, whoever has them: the books only fill up. */
  readonly #blocked = new Map<string, readonly string[]>();
  /** The books as they were if all living holders had given back. */
  #hoped: Books | undefined;
  #keepers = 0;
  #keeperTries = 0;

  constructor(facts: PlanFacts) {
    this.#facts = facts;
    this.#books = new Books(facts.holdings);
  }

  run(): Plan {
    const heads = [...this.#facts.queue.lines].map((line): Head => ({ line, at: 0 }));
    heads.sort((a, b) => this.#order(b, a));
    for (let head = heads.pop(); head !== undefined; head = heads.pop()) {
      if (this.#missing.size >= this.#facts.missingMax) break;
      if (!this.#consider(head)) continue;
      head.at += 1;
      if (head.at < head.line.rows.length) this.#insert(heads, head);
    }
    return {
      ...{ grants: this.#grants, refused: this.#refused, missing: this.#missing },
      reasonsOf: ({ key }, line) => {
        const full = this.#fullCounters.get(key);
        if (full !== undefined) return [this.#books.counterFull(full.name, full.limit)];
        return this.#lineReasons.get(line?.key ?? '');
      },
    };
  }

  #order(a: Head, b: Head): number {
    return byTurn(a.line.rows[a.at]!.request, b.line.rows[b.at]!.request, this.#facts);
  }

  /** Heads stand with the next at the end. */
  #insert(heads: Head[], head: Head): void {
    let [low, high] = [0, heads.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#order(heads[middle]!, head) > 0) low = middle + 1;
      else high = middle;
    }
    heads.splice(low, 0, head);
  }

  /** False: the rest of the line cannot be met either. */
  #consider({ line, at }: Head): boolean {
    const waiting = line.rows[at]!;
    // Who may share a drive can be met by a group that opens, or not wait for one that others need not wait for.
    const alone = waiting.request.maxMpx <= 1;
    const blocked = alone ? this.#blocked.get(line.needsKey) : undefined;
    if (blocked !== undefined) return this.#block(waiting, line, blocked);
    const known = line.needs.map(({ key }) => this.#facts.offers.find(key));
    const unknown = known.some((each) => each === undefined);
    if (unknown) return this.#exhausted(waiting, line) || this.#askFor(line, known, false);
    const sure = known.every((each) => each!.fresh);
    const offers = known.map((each) => each!.offer);
    const refusal = offers.find((each) => each.refusal !== null)?.refusal;
    if (refusal != null) {
      if (!sure) return this.#askFor(line, known, false);
      if (this.#missing.size === 0) this.#refused.push({ waiting, status: refusal });
      return true;
    }
    const choice = this.#choose(waiting, line, offers);
    if (!('picks' in choice)) {
      // Volumes that were all in use are no longer all that there are.
      if (!sure && !choice.lacksDrive) return this.#askFor(line, known, false);
      if (alone) this.#blocked.set(line.needsKey, choice.reasons);
      return this.#block(waiting, line, choice.reasons);
    }
    if (this.#exhausted(waiting, line)) return true;
    this.#books.enter(waiting.key, waiting.request, choice.picks);
    if (!sure) return this.#askFor(line, known, true);
    if (this.#missing.size === 0) this.#grants.push({ waiting, picks: choice.picks });
    return true;
  }

  /** Those of one line would choose alike, until somebody was given something. */
  #choose(waiting: Waiting, line: Line, offers: readonly Offer[]): Choice {
    const { version } = this.#books;
    const last = this.#choices.get(line);
    if (last?.version === version) return last.choice;
    const choice = choose(this.#books, waiting, line.needs, offers);
    this.#choices.set(line, { version, choice });
    return choice;
  }

  /** True: a counter has no room for it, which others of its line may not need. */
  #exhausted(waiting: Waiting, line: Line): boolean {
    const { counters } = waiting.request;
    const full = counters.find(({ name, limit }) => !this.#books.counterHasRoom(name, limit));
    if (full === undefined) return false;
    this.#fullCounters.set(waiting.key, full);
    this.#keep(waiting, line);
    return true;
  }

  #askFor(line: Line, known: readonly (KnownOffer | undefined)[], goOn: boolean): boolean {
    line.needs.forEach(({ key, request }, at) => {
      if (known[at]?.fresh !== true) this.#missing.set(key, request);
    });
    return goOn;
  }

  #block(waiting: Waiting, line: Line, reasons: readonly string[]): false {
    this.#lineReasons.set(line.key, reasons);
    for (const { key, request } of line.needs) {
      if (!isWrite(request)) this.#keepForRead(request, this.#facts.offers.find(key)?.offer);
    }
    this.#keep(waiting, line);
    return false;
  }

  #knownOffers(line: Line): Offer[] | undefined {
    const known = line.needs.map(({ key }) => this.#facts.offers.find(key)?.offer);
    return known.some((each) => each === undefined) ? undefined : (known as Offer[]);
  }

  /**
   * A read can take no other volume, a write nearly always can: without this a stream of writes could keep a read
   * waiting for ever, each taking the volume in the moment in which the read's drive is busy.
   */
  #keepForRead(request: ResourceRequest, offer: Offer | undefined): void {
    if (offer === undefined || offer.choices.length === 0) return;
    this.#books.keepVolume(request.mediaId, jobOf(request));
  }

  /**
   * Who has waited long and lacks several things that come free one at a time has those kept that are free now: one
   * place of each counter and, of a request for several drives that lacks nothing else, the drives. Only who would
   * have everything if all jobs that run had ended: what is unknown must not block those who could go.
   */
  #keep(waiting: Waiting, line: Line): void {
    const { request } = waiting;
    if (this.#keepers >= KEEPERS_MAX || this.#keeperTries >= KEEPER_TRIES_MAX) return;
    if (!isAged(request, this.#facts)) return;
    if (request.counters.length === 0 && line.needs.length < 2) return;
    this.#keeperTries += 1;
    const offers = this.#knownOffers(line);
    if (offers === undefined) {
      this.#askFor(line, [], true);
      return;
    }
    const { held } = this.#facts.holdings;
    this.#hoped ??= new Books({ held: unknownOf(held), uses: [], groups: [] });
    if (!('picks' in choose(this.#hoped, waiting, line.needs, offers))) return;
    this.#keepers += 1;
    const job = jobOf(request);
    for (const { name } of request.counters) this.#books.keepCounter(name, job);
    if (line.needs.length > 1) this.#keepDrives(waiting, line.needs, offers);
  }

  #keepDrives(waiting: Waiting, needs: readonly Need[], offers: readonly Offer[]): void {
    const { held, uses } = this.#facts.holdings;
    const others = held.filter(({ kind, reason }) => kind === 'volume' || reason !== '');
    const drivesApart = new Books({ held: others, uses, groups: [] });
    if (!('picks' in choose(drivesApart, waiting, needs, offers))) return;
    for (const { choices } of offers) {
      const free = choices
        .flatMap(({ drives }) => drives)
        .find(({ name }) => this.#books.driveIsFree(name));
      if (free !== undefined) this.#books.keepDrive(free.name, jobOf(waiting.request));
    }
  }
}

function unknownOf(held: Holdings['held']): Holdings['held'] {
  return held.filter(({ reason }) => reason !== '');
}
