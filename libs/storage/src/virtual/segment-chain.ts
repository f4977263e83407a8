// The segment files of a cartridge and which of them are the tape: the newest one and what it continues.

import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
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
}

export interface SegmentChain {
  /** In the order of the tape. */
  readonly segments: readonly ChainedSegment[];
  /** False when a segment that the tape needs is missing or damaged at its beginning. */
  readonly complete: boolean;
  /** Numbers of all segment files, part of the tape or not; the next one must be higher. */
  readonly numbers: readonly number[];
}

export function segmentPath(dir: string, segment: number): string {
  return join(dir, `seg-${String(segment).padStart(8, '0')}.dat`);
}

export function readSegmentChain(dir: string, uuid: Uint8Array): SegmentChain {
  const numbers = listSegments(dir);
  const starts = new Map<number, SegmentStart>();
  for (const number of numbers) {
    const start = readSegmentStart(segmentPath(dir, number), uuid);
    if (start?.segment === number) starts.set(number, start);
  }
  const segments: ChainedSegment[] = [];
  let complete = true;
  let next: SegmentStart | undefined;
  // A file whose first record is not intact was being made when its maker died: nothing in it was acknowledged.
  let wanted = Math.max(-1, ...starts.keys());
  while (wanted >= 0 && wanted !== NO_SEGMENT) {
    const start = starts.get(wanted) ?? olderThan(starts, wanted, next);
    if (start?.segment !== wanted) complete = false;
    if (!start) break;
    const sealed = next && next.previousSegment === start.segment ? next.previousBytes : null;
    segments.unshift({
      ...start,
      sealedBytes: sealed,
      endObject: next?.firstObject ?? Number.POSITIVE_INFINITY,
    });
    next = start;
    wanted = start.previousSegment;
  }
  return { segments, complete, numbers };
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

function readSegmentStart(path: string, uuid: Uint8Array): SegmentStart | null {
  const bytes = Buffer.alloc(SEGMENT_START_BYTES);
  const fd = openSync(path, 'r');
  try {
    const got = readSync(fd, bytes, 0, SEGMENT_START_BYTES, 0);
    return decodeSegmentStart(bytes.subarray(0, got), uuid);
  } finally {
    closeSync(fd);
  }
}
