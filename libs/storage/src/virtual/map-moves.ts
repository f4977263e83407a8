// Locate and space on a map of a medium: where the position goes. Pure.

import { StatusError } from '@tapestry/status';
import type { LocateTarget, SpaceResult } from '../drive.ts';
import type { MediumMap } from './medium-map.ts';

export type Move = SpaceResult & { readonly object: number };

/** Throws `mediaPositionError` when the target is not on the medium. */
export function resolveTarget(map: MediumMap, target: LocateTarget): number {
  if (target === 'endOfData') return map.objectCount;
  if ('object' in target) {
    const { object } = target;
    if (object >= 0 && object <= map.objectCount) return object;
    const detail = `no object ${object}, the medium ends at ${map.objectCount}`;
    throw new StatusError('mediaPositionError', detail);
  }
  const { file, block } = target;
  const start = map.startOfFile(file);
  if (start !== null && block >= 0 && start + block <= map.endOfFile(file)) return start + block;
  throw new StatusError('mediaPositionError', `no block ${block} in file ${file} on the medium`);
}

export function spaceOverFilemarks(map: MediumMap, from: number, count: number): Move {
  const file = map.filemarksBefore(from);
  if (count >= 0) {
    const object = count === 0 ? from : map.startOfFile(file + count);
    if (object !== null) return { object, spaced: count, stoppedAt: null };
    return { object: map.objectCount, spaced: map.fileCount - file, stoppedAt: 'endOfData' };
  }
  if (file + count < 0) return { object: 0, spaced: file, stoppedAt: 'beginning' };
  return { object: map.endOfFile(file + count), spaced: -count, stoppedAt: null };
}

export function spaceOverBlocks(map: MediumMap, from: number, count: number): Move {
  const file = map.filemarksBefore(from);
  if (count >= 0) {
    const end = map.endOfFile(file);
    if (from + count <= end) return { object: from + count, spaced: count, stoppedAt: null };
    const atMark = end < map.objectCount;
    return {
      object: atMark ? end + 1 : end,
      spaced: end - from,
      stoppedAt: atMark ? 'filemark' : 'endOfData',
    };
  }
  const start = map.startOfFile(file) as number;
  if (from + count >= start) return { object: from + count, spaced: -count, stoppedAt: null };
  const atMark = start > 0;
  return {
    object: atMark ? start - 1 : 0,
    spaced: from - start,
    stoppedAt: atMark ? 'filemark' : 'beginning',
  };
}
