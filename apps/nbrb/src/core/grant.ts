// Which waiting request may be granted now? Higher priority first, then who asked first; a request that must wait lets
// others pass that want something else. Promises: no drive, volume, counter or storage unit is given beyond its limit.

import type { Candidate, ResourceRequest, Status } from '@tapestry/contracts';

/** A request in the queue; `key` names its attempt. */
export interface Waiting {
  readonly key: string;
  readonly request: ResourceRequest;
}

/** A drive or volume that nobody else may have now. */
export interface Holding {
  readonly kind: 'drive' | 'volume';
  readonly name: string;
  /** The job that holds it; undefined when it is unknown who does. */
  readonly jobId: bigint | undefined;
  /** Set when its state is unknown: why. */
  readonly reason: string;
}

export interface Use {
  readonly counters: readonly string[];
  readonly storageUnit: string;
  readonly writes: boolean;
}

export interface Holdings {
  readonly held: readonly Holding[];
  /** One for each grant that still counts for limits. */
  readonly uses: readonly Use[];
}

/** What nbemm answered for one kind of need. */
export interface Offer {
  readonly candidates: readonly Candidate[];
  readonly reasons: readonly string[];
  readonly refusal: Status | null;
}

export interface GrantPlan {
  readonly grants: readonly { readonly waiting: Waiting; readonly candidate: Candidate }[];
  readonly refused: readonly { readonly waiting: Waiting; readonly status: Status }[];
  readonly blocked: readonly { readonly waiting: Waiting; readonly reasons: readonly string[] }[];
  /** Needs without an offer yet: ask nbemm for these and plan again. */
  readonly missing: ReadonlyMap<string, ResourceRequest>;
}

const REASONS_MAX = 8;

/** Requests with the same key get the same offer. */
export function needKey(request: ResourceRequest): string {
  const { mode, storageUnit, pool, retentionLevel, mediaId, avoidMediaIds } = request;
  return JSON.stringify([mode, storageUnit, pool, retentionLevel, mediaId, avoidMediaIds]);
}

/** Order of the queue. */
export function byTurn(a: Waiting, b: Waiting): number {
  const [x, y] = [a.request, b.request];
  if (x.priority !== y.priority) return y.priority - x.priority;
  return (
    compareBig(x.requestedMs, y.requestedMs) ||
    compareBig(x.attempt?.jobId ?? 0n, y.attempt?.jobId ?? 0n) ||
    (x.attempt?.step ?? 0) - (y.attempt?.step ?? 0)
  );
}

function compareBig(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function grant(
  queue: readonly Waiting[],
  holdings: Holdings,
  offers: ReadonlyMap<string, Offer>,
): GrantPlan {
  const books = openBooks(holdings);
  const grants: { waiting: Waiting; candidate: Candidate }[] = [];
  const refused: { waiting: Waiting; status: Status }[] = [];
  const blocked: { waiting: Waiting; reasons: readonly string[] }[] = [];
  const missing = new Map<string, ResourceRequest>();
  for (const waiting of [...queue].sort(byTurn)) {
    const { request } = waiting;
    const full = exhausted(books, request);
    if (full !== undefined) {
      blocked.push({ waiting, reasons: [full] });
      continue;
    }
    const need = needKey(request);
    const offer = offers.get(need);
    if (offer === undefined) {
      missing.set(need, request);
      continue;
    }
    if (offer.refusal !== null) {
      refused.push({ waiting, status: offer.refusal });
      continue;
    }
    const choice = firstFree(books, request, offer);
    if ('candidate' in choice) {
      grants.push({ waiting, candidate: choice.candidate });
      enter(books, request, choice.candidate);
    } else {
      blocked.push({ waiting, reasons: choice.reasons });
      keepForRead(books, request, offer);
    }
  }
  return { grants, refused, blocked, missing };
}

interface Books {
  readonly drives: Map<string, string>;
  readonly volumes: Map<string, string>;
  readonly counters: Map<string, number>;
  readonly units: Map<string, number>;
  /** Volumes that an earlier read waits for. */
  readonly kept: Map<string, bigint>;
}

function openBooks({ held, uses }: Holdings): Books {
  const books: Books = {
    ...{ drives: new Map(), volumes: new Map(), counters: new Map(), units: new Map() },
    kept: new Map(),
  };
  for (const { kind, name, jobId, reason } of held) {
    const why = reason !== '' ? `is unknown: ${reason}` : `is held by job ${jobId}`;
    (kind === 'drive' ? books.drives : books.volumes).set(name, `${kind} ${name} ${why}`);
  }
  for (const use of uses) count(books, use.counters, use.writes ? use.storageUnit : '');
  return books;
}

function count(books: Books, counters: readonly string[], unit: string): void {
  for (const name of counters) books.counters.set(name, (books.counters.get(name) ?? 0) + 1);
  if (unit !== '') books.units.set(unit, (books.units.get(unit) ?? 0) + 1);
}

/** The first counter that has no room, in words. A limit of 0 is none. */
function exhausted(books: Books, request: ResourceRequest): string | undefined {
  for (const { name, limit } of request.counters) {
    const used = books.counters.get(name) ?? 0;
    if (limit > 0 && used >= limit) return `limit of ${name} has been reached: ${used} of ${limit}`;
  }
  return undefined;
}

function firstFree(
  books: Books,
  request: ResourceRequest,
  offer: Offer,
): { readonly candidate: Candidate } | { readonly reasons: readonly string[] } {
  const reasons = new Set<string>();
  for (const candidate of offer.candidates) {
    const why = inUse(books, request, candidate);
    if (why === undefined) return { candidate };
    if (reasons.size < REASONS_MAX) reasons.add(why);
  }
  if (reasons.size === 0)
    for (const reason of offer.reasons.slice(0, REASONS_MAX)) reasons.add(reason);
  return { reasons: reasons.size > 0 ? [...reasons] : ['nothing fits now'] };
}

function inUse(books: Books, request: ResourceRequest, candidate: Candidate): string | undefined {
  const { storageUnit, maxDrives } = candidate;
  const mediaId = candidate.volume?.mediaId ?? '';
  const writes = request.mode !== 'DRIVE_MODE_READ';
  // Who waits wants to know for whom, so a drive's holder comes before a number.
  const held = books.drives.get(candidate.drive?.name ?? '') ?? books.volumes.get(mediaId);
  if (held !== undefined) return held;
  const used = books.units.get(storageUnit) ?? 0;
  if (writes && maxDrives > 0 && used >= maxDrives) {
    return `${used} of ${maxDrives} drives of storage unit ${storageUnit} are in use`;
  }
  const keeper = writes ? books.kept.get(mediaId) : undefined;
  return keeper === undefined
    ? undefined
    : `volume ${mediaId} is kept for job ${keeper}, which waits to read it`;
}

function enter(books: Books, request: ResourceRequest, candidate: Candidate): void {
  const holder = `is held by job ${request.attempt?.jobId}`;
  const drive = candidate.drive?.name ?? '';
  const mediaId = candidate.volume?.mediaId ?? '';
  books.drives.set(drive, `drive ${drive} ${holder}`);
  books.volumes.set(mediaId, `volume ${mediaId} ${holder}`);
  const names = request.counters.map((counter) => counter.name);
  count(books, names, request.mode === 'DRIVE_MODE_READ' ? '' : candidate.storageUnit);
}

/**
 * A read can take no other volume, a write nearly always can: without this a stream of writes could keep a read
 * waiting for ever, each taking the volume in the moment in which the read's drive is busy.
 */
function keepForRead(books: Books, request: ResourceRequest, offer: Offer): void {
  if (request.mode !== 'DRIVE_MODE_READ' || offer.candidates.length === 0) return;
  if (!books.kept.has(request.mediaId)) {
    books.kept.set(request.mediaId, request.attempt?.jobId ?? 0n);
  }
}
