// Where each place of a library is drawn, for the width that there is: drives above, mail slots beside or below them, the
// rail of the arm, then the slots. Few slots are drawn with their volumes' names, a thousand as marks.

import type { Element } from '../api.ts';

export type Grain = 'wide' | 'small' | 'marks';

export interface Place {
  readonly element: Element;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Label {
  readonly text: string;
  readonly x: number;
  readonly y: number;
}

export interface Picture {
  readonly grain: Grain;
  readonly width: number;
  readonly height: number;
  /** In reading order: drives, mail slots, slots. */
  readonly places: readonly Place[];
  readonly labels: readonly Label[];
  /** Null where there is nothing to carry: no slots. */
  readonly railY: number | null;
}

interface Size {
  readonly width: number;
  readonly height: number;
  readonly gap: number;
}

const CELLS: Readonly<Record<Grain, Size>> = {
  wide: { width: 94, height: 30, gap: 6 },
  small: { width: 64, height: 22, gap: 4 },
  marks: { width: 15, height: 15, gap: 2 },
};
const WIDE_MAX = 60;
const SMALL_MAX = 260;
const DRIVE: Size = { width: 172, height: 66, gap: 10 };
/** As narrow as drives become where there are many, or on a phone. */
const DRIVE_WIDTH_MIN = 142;
const LABEL_HEIGHT = 17;
const RAIL_BAND = 40;
/** Outlines must not be cut at the edge. */
const EDGE = 2;

export function layOut(elements: readonly Element[], availableWidth: number): Picture {
  const ofType = (type: Element['type']): Element[] =>
    elements.filter((element) => element.type === type).sort((a, b) => a.number - b.number);
  const [drives, mail, slots] = [ofType('drive'), ofType('mail'), ofType('slot')];
  const grain = grainOf(slots.length);
  const cell = CELLS[grain];
  const width = Math.max(cell.width + 2 * EDGE, Math.floor(availableWidth));
  const top = layTop(drives, mail, cell, width);
  const labels = [...top.labels];
  const places = [...top.places];
  if (slots.length === 0) return { grain, width, height: top.end, places, labels, railY: null };
  const railY = top.end + RAIL_BAND / 2;
  const slotsY = top.end + RAIL_BAND + LABEL_HEIGHT;
  labels.push({ text: countOf(slots.length, 'slot'), x: EDGE, y: slotsY - 6 });
  places.push(...flow(slots, cell, { x: EDGE, y: slotsY, width: width - 2 * EDGE }));
  return { grain, width, height: endOf(places), places, labels, railY };
}

function grainOf(slots: number): Grain {
  if (slots <= WIDE_MAX) return 'wide';
  return slots <= SMALL_MAX ? 'small' : 'marks';
}

/** Mail slots stand at the right of the drives when there is room, else below. */
function layTop(
  drives: readonly Element[],
  mail: readonly Element[],
  cell: Size,
  width: number,
): { places: Place[]; labels: Label[]; end: number } {
  const labels: Label[] = [];
  const inner = { x: EDGE, y: LABEL_HEIGHT, width: width - 2 * EDGE };
  const size = driveSize(drives.length, inner.width);
  const places = flow(drives, size, inner);
  if (drives.length > 0) labels.push({ text: countOf(drives.length, 'drive'), x: EDGE, y: 11 });
  const end = drives.length === 0 ? 0 : endOf(places);
  if (mail.length === 0) return { places, labels, end };
  const columns = Math.ceil(mail.length / rowsBeside(cell));
  const mailWidth = columns * (cell.width + cell.gap) - cell.gap;
  const drivesWidth = drives.length * (size.width + size.gap);
  const beside = drives.length > 0 && drivesWidth + 20 + mailWidth <= inner.width;
  const area = beside
    ? { x: width - EDGE - mailWidth, y: LABEL_HEIGHT, width: mailWidth }
    : { x: EDGE, y: end + (end === 0 ? 0 : 8) + LABEL_HEIGHT, width: inner.width };
  labels.push({ text: countOf(mail.length, 'mail slot'), x: area.x, y: area.y - 6 });
  places.push(...flow(mail, cell, area));
  return { places, labels, end: endOf(places) };
}

/** Narrower when that gives fewer rows. */
function driveSize(count: number, width: number): Size {
  const columns = Math.floor((width + DRIVE.gap) / (DRIVE_WIDTH_MIN + DRIVE.gap));
  const each = (width + DRIVE.gap) / Math.max(1, Math.min(columns, count)) - DRIVE.gap;
  return { ...DRIVE, width: Math.floor(Math.min(DRIVE.width, each)) };
}

function rowsBeside({ height, gap }: Size): number {
  return Math.max(1, Math.floor((DRIVE.height + gap) / (height + gap)));
}

/** Rows from left to right. */
function flow(
  elements: readonly Element[],
  { width, height, gap }: Size,
  area: { readonly x: number; readonly y: number; readonly width: number },
): Place[] {
  const columns = Math.max(1, Math.floor((area.width + gap) / (width + gap)));
  return elements.map((element, index) => ({
    ...{ element, width, height },
    x: area.x + (index % columns) * (width + gap),
    y: area.y + Math.floor(index / columns) * (height + gap),
  }));
}

function endOf(places: readonly Place[]): number {
  return Math.max(0, ...places.map(({ y, height }) => y + height)) + EDGE;
}

function countOf(count: number, what: string): string {
  return `${count} ${what}${count === 1 ? '' : 's'}`;
}

export type Direction = 'left' | 'right' | 'up' | 'down' | 'first' | 'last';

/** The place that a key leads to from one; itself at an edge. Left and right go on over the ends of rows. */
export function neighbour(places: readonly Place[], from: number, direction: Direction): number {
  const index = places.findIndex(({ element }) => element.address === from);
  const here = places[index];
  if (here === undefined || direction === 'first') return places[0]?.element.address ?? from;
  if (direction === 'last') return places.at(-1)!.element.address;
  if (direction === 'left' || direction === 'right') {
    const next = places[index + (direction === 'left' ? -1 : 1)];
    return next?.element.address ?? from;
  }
  const gapTo = (place: Place): number =>
    direction === 'up' ? here.y - (place.y + place.height) : place.y - (here.y + here.height);
  const beyond = places.filter((place) => gapTo(place) >= 0);
  const nearest = Math.min(...beyond.map(gapTo));
  const aside = (place: Place): number => Math.abs(middleOf(place)[0] - middleOf(here)[0]);
  const row = beyond.filter((place) => gapTo(place) <= nearest + 4);
  return row.sort((a, b) => aside(a) - aside(b))[0]?.element.address ?? from;
}

/** Where the arm puts a volume down: a drive takes it in at its lower left. */
export function dockOf(place: Place): readonly [number, number] {
  const { x, y, height } = place;
  return place.element.type === 'drive' ? [x + 56, y + height - 13] : middleOf(place);
}

function middleOf({ x, y, width, height }: Place): readonly [number, number] {
  return [x + width / 2, y + height / 2];
}
