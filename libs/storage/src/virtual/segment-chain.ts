// The segment files of a cartridge and which of them are the tape: the newest one and what it continues.

import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { join } from 'node:path';
import {
  decodeSegmentStart,
  NO_SEGMENT,
  SEGMENT_START_BYTES,
  type SegmentStart,
} from './record-header.ts';

/** A segment that is part of the tape. */
export interface ChainedSegment extends SegmentStart {
  /** Bytes that count; null for the last one, whose end is found by reading. */
  readonly sealedBytes: number | null;
  /** First object that belongs to a later segment; Infinity for the last one. */
  readonly endObject: number;
  /** Behind a missing segment: nothing but the index says how much of it still counts. */
  readonly guessed: boolean;
}

export interface SegmentChain {
  /** In the order of the tape. */
  readonly segments: readonly ChainedSegment[];
  /** False when a segment that the tape needs is missing or damaged at its beginning. */
  readonly complete: boolean;
  /** There are intact segments of another cartridge: then which of both this is cannot be trusted. */
  readonly mixed: boolean;
  /** Numbers of all segment files, part of the tape or not; the next one must be higher. */
  readonly numbers: readonly number[];
}

export function segmentPath(dir: string, segment: number): string {
  return join(dir, `seg-${String(segment).padStart(8, '0')}.dat`);
}

/** `newestKnown`: the newest segment that the index knows of, −1 when it knows none. */
export function readSegmentChain(dir: string, uuid: Uint8Array, newestKnown: number): SegmentChain {
  const numbers = listSegments(dir);
  const starts = new Map<number, SegmentStart>();
  let mixed = false;
  let newest = newestKnown;
  for (const number of numbers) {
    const { start, hasRecords } = readSegmentStart(segmentPath(dir, number));
    const ours = start !== null && Buffer.compare(start.uuid, uuid) === 0;
    if (start && !ours) mixed = true;
    if (ours && start.segment === number) starts.set(number, start);
    // Without records it was being made when its maker died: nothing in it was acknowledged.
    if (hasRecords) newest = Math.max(newest, number);
  }
  const segments: ChainedSegment[] = [];
  let wanted = Math.max(-1, ...starts.keys());
  // Where the newest is lost, what it cut off is intact in the others and must not come back.
  let complete = wanted >= newest;
  let next: SegmentStart | undefined;
  while (wanted >= 0 && wanted !== NO_SEGMENT) {
    const start = starts.get(wanted) ?? olderThan(starts, wanted, next);
    if (start?.segment !== wanted) complete = false;
    if (!start) break;
    const sealed = next && next.previousSegment === start.segment ? next.previousBytes : null;
    segments.unshift({
      ...start,
      sealedBytes: sealed,
      endObject: next?.firstObject ?? Number.POSITIVE_INFINITY,
      guessed: !complete,
    });
    next = start;
    wanted = start.previousSegment;
  }
  return { segments, complete, mixed, numbers };
}

/** The best guess where a segment of the chain is missing: the newest one below it that begins earlier. */
function olderThan(
  starts: ReadonlyMap<number, SegmentStart>,
  wanted: number,
  next: SegmentStart | undefined,
): SegmentStart | undefined {
  let best: SegmentStart | undefined;
  for (const start of starts.values()) {
    const fits = start.segment < wanted && start.firstObject < (next?.firstObject ?? 0);
    if (fits && start.segment > (best?.segment ?? -1)) best = start;
  }
  return best;
}

function listSegments(dir: string): number[] {
  return readdirSync(dir)
    .map((name) => /^seg-(\d{8})\.dat$/.exec(name)?.[1])
    .filter((digits) => digits !== undefined)
    .map(Number)
    .sort((a, b) => a - b);
}

function readSegmentStart(path: string): { start: SegmentStart | null; hasRecords: boolean } {
  const bytes = Buffer.alloc(SEGMENT_START_BYTES);
  const fd = openSync(path, 'r');
  try {
    const got = readSync(fd, bytes, 0, SEGMENT_START_BYTES, 0);
    const hasRecords = fstatSync(fd).size > SEGMENT_START_BYTES;
    return { start: decodeSegmentStart(bytes.subarray(0, got)), hasRecords };
  } finally {
    closeSync(fd);
  }
}
