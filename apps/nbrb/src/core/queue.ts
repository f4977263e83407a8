// The queue in memory. Order: who has waited longer than the ageing time, in the order of asking; then higher priority;
// then who asked first. Requests of one need and priority stand in one line, so a round looks at the head of each line
// and not at every request.

import type { ResourceRequest } from '@tapestry/contracts';
import { jobOf, type Need, needsOf, type Waiting } from './need.ts';

/** Requests alike in needs, streams and priority, who asked first at the head. */
export interface Line {
  readonly key: string;
  readonly priority: number;
  readonly needs: readonly Need[];
  /** Lines of other priorities with the same needs have the same. */
  readonly needsKey: string;
  readonly rows: readonly Waiting[];
}

export interface Ageing {
  readonly nowMs: number;
  /** Whoever has waited longer than this goes before everybody who asked later. */
  readonly ageMs: number;
}

export function isAged(request: ResourceRequest, { nowMs, ageMs }: Ageing): boolean {
  return nowMs - Number(request.requestedMs) > ageMs;
}

/** Order of the queue. */
export function byTurn(a: ResourceRequest, b: ResourceRequest, ageing: Ageing): number {
  const [agedA, agedB] = [isAged(a, ageing), isAged(b, ageing)];
  if (agedA !== agedB) return agedA ? -1 : 1;
  if (!agedA && a.priority !== b.priority) return b.priority - a.priority;
  return byAsking(a, b);
}

export function byAsking(a: ResourceRequest, b: ResourceRequest): number {
  return (
    compareBig(a.requestedMs, b.requestedMs) ||
    compareBig(jobOf(a), jobOf(b)) ||
    (a.attempt?.step ?? 0) - (b.attempt?.step ?? 0)
  );
}

function compareBig(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

interface OpenLine extends Line {
  readonly rows: Waiting[];
}

export class RequestQueue {
  readonly #byKey = new Map<string, { readonly waiting: Waiting; readonly line: OpenLine }>();
  readonly #lines = new Map<string, OpenLine>();

  get size(): number {
    return this.#byKey.size;
  }

  get lines(): Iterable<Line> {
    return this.#lines.values();
  }

  get rows(): Waiting[] {
    return [...this.#byKey.values()].map(({ waiting }) => waiting);
  }

  find(key: string): Waiting | undefined {
    return this.#byKey.get(key)?.waiting;
  }

  lineOf(key: string): Line | undefined {
    return this.#byKey.get(key)?.line;
  }

  /** Replaces a request of the same attempt. */
  add(waiting: Waiting): void {
    this.remove(waiting.key);
    const { request } = waiting;
    const needs = needsOf(request);
    const needsKey = needs.map((need) => need.key).join('\u0001');
    const { priority, maxMpx } = request;
    const key = `${priority}/${maxMpx}/${needsKey}`;
    const line = this.#lines.get(key) ?? { key, needs, needsKey, priority, rows: [] };
    this.#lines.set(key, line);
    line.rows.splice(placeIn(line.rows, request), 0, waiting);
    this.#byKey.set(waiting.key, { waiting, line });
  }

  /** False: it is not here. */
  remove(key: string): boolean {
    const found = this.#byKey.get(key);
    if (found === undefined) return false;
    this.#byKey.delete(key);
    const { rows } = found.line;
    const at = placeIn(rows, found.waiting.request);
    rows.splice(rows[at] === found.waiting ? at : rows.indexOf(found.waiting), 1);
    if (rows.length === 0) this.#lines.delete(found.line.key);
    return true;
  }
}

/** Where a request stands, or would stand, among others in the order of asking. */
function placeIn(rows: readonly Waiting[], request: ResourceRequest): number {
  let [low, high] = [0, rows.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (byAsking(rows[middle]!.request, request) < 0) low = middle + 1;
    else high = middle;
  }
  return low;
}
