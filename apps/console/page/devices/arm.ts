// What the arm of a drawn robot does. Moves are heard as they begin and end; each is shown for as long as eyes need, also
// one that took a millisecond, and a robot that is far ahead of its picture is caught up with.

import type { Element } from '../api.ts';

export interface ArmEvent {
  readonly from: number;
  readonly to: number;
  readonly phase: string;
}

export interface Leg {
  readonly from: number;
  readonly to: number;
  /** What it carries, as it stood there; null when that is not known. */
  readonly cartridge: Element | null;
  /** fetch: on its way to it. carry: on its way with it, or waiting there for the end. */
  readonly stage: 'fetch' | 'carry';
  readonly outcome: 'made' | 'failed' | null;
  readonly beganMs: number;
  /** When the stage has been seen. */
  readonly untilMs: number;
}

export interface Arm {
  readonly leg: Leg | null;
  readonly queue: readonly ArmEvent[];
  /** Where it rests: the address that it was at last. */
  readonly restsAt: number | null;
}

export const IDLE_ARM: Arm = { leg: null, queue: [], restsAt: null };

const FETCH_MS = 600;
const CARRY_MS = 1_100;
/** Two moves wait to be shown at most. */
const QUEUE_MAX = 4;
/** After so long without an end, what the library says of its arm counts. */
const LOST_MS = 10_000;

type Elements = readonly Element[];

/** `behind`: it was too far ahead to be shown; the elements are to be fetched. */
export function hear(
  arm: Arm,
  event: ArmEvent,
  elements: Elements,
  nowMs: number,
): { arm: Arm; behind: boolean } {
  const { leg, queue } = arm;
  if (leg === null) return { arm: begin(arm, event, elements, nowMs), behind: false };
  const ends = event.phase !== 'began' && queue.length === 0 && leg.outcome === null;
  if (ends && leg.from === event.from && leg.to === event.to) {
    return { arm: { ...arm, leg: { ...leg, outcome: outcomeOf(event) } }, behind: false };
  }
  if (queue.length >= QUEUE_MAX) {
    return { arm: { ...IDLE_ARM, restsAt: event.to }, behind: true };
  }
  return { arm: { ...arm, queue: [...queue, event] }, behind: false };
}

/** Goes on to the next stage when its time has come. `done`: the leg that ended with it. */
export function advance(
  arm: Arm,
  elements: Elements,
  nowMs: number,
): { arm: Arm; done: Leg | null } {
  const { leg } = arm;
  if (leg === null || nowMs < leg.untilMs) return { arm, done: null };
  if (leg.stage === 'fetch') {
    const next: Leg = { ...leg, stage: 'carry', untilMs: nowMs + CARRY_MS };
    return { arm: { ...arm, leg: next }, done: null };
  }
  if (leg.outcome === null) return { arm, done: null };
  const restsAt = leg.outcome === 'made' ? leg.to : leg.from;
  return { arm: drain({ leg: null, queue: arm.queue, restsAt }, elements, nowMs), done: leg };
}

/** Follows what the library says when asked: a move that was not heard of, or whose end was not. */
export function follow(
  arm: Arm,
  moving: { readonly from: number; readonly to: number } | null,
  elements: Elements,
  nowMs: number,
): Arm {
  const { leg } = arm;
  if (leg === null) {
    if (moving === null) return arm;
    const begun = begin(arm, { ...moving, phase: 'began' }, elements, nowMs);
    return { ...begun, leg: { ...begun.leg!, stage: 'carry', untilMs: nowMs + CARRY_MS } };
  }
  const lost = moving === null && leg.outcome === null && nowMs - leg.beganMs > LOST_MS;
  return lost ? { ...IDLE_ARM, restsAt: leg.to } : arm;
}

function begin(arm: Arm, event: ArmEvent, elements: Elements, nowMs: number): Arm {
  const { from, to } = event;
  const at = (place: number): Element | undefined =>
    elements.find(({ address, full }) => full && address === place);
  // What was fetched meanwhile may be ahead of the picture: it has arrived already.
  const cartridge = at(from) ?? at(to) ?? null;
  const outcome = event.phase === 'began' ? null : outcomeOf(event);
  const leg = { from, to, cartridge, outcome, beganMs: nowMs, untilMs: nowMs + FETCH_MS };
  return { ...arm, leg: { ...leg, stage: 'fetch' } };
}

/** The next move of the queue, with its end when that is there already. */
function drain(arm: Arm, elements: Elements, nowMs: number): Arm {
  const [event, end, ...rest] = arm.queue;
  if (event === undefined) return arm;
  const begun = begin({ ...arm, queue: [] }, event, elements, nowMs);
  if (end === undefined) return begun;
  if (event.phase !== 'began' || end.phase === 'began') return { ...begun, queue: [end, ...rest] };
  return { ...begun, leg: { ...begun.leg!, outcome: outcomeOf(end) }, queue: rest };
}

function outcomeOf({ phase }: ArmEvent): 'made' | 'failed' {
  return phase === 'made' ? 'made' : 'failed';
}

/** The elements once the move was made. */
export function afterMove(elements: Elements, { from, to }: Pick<Leg, 'from' | 'to'>): Element[] {
  const source = elements.find(({ address, full }) => full && address === from);
  if (source === undefined) return [...elements];
  const { barcode, mediaId, state, pool } = source;
  return elements.map((element) => {
    if (element.address === from) return emptied(element);
    if (element.address !== to) return element;
    return { ...element, ...{ full: true, barcode, mediaId, state, pool }, missingMediaId: '' };
  });
}

/** What is to be drawn while it carries: the cartridge is neither here nor there. */
export function duringMove(elements: Elements, leg: Leg | null): Elements {
  if (leg === null || leg.stage === 'fetch') return elements;
  return elements.map((element) =>
    element.address === leg.from || element.address === leg.to ? emptied(element) : element,
  );
}

function emptied(element: Element): Element {
  return { ...element, full: false, barcode: '', mediaId: '', state: null, pool: '' };
}
