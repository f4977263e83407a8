// What a failed move means: try it again, look at the elements again, or give up. And what the robot said by failing, which
// counts for more than its inventory: a place that would take nothing is full, one that gave nothing is empty.

import type { StatusName } from '@tapestry/status';
import type { LibraryElement } from '@tapestry/storage';
import type { Move } from './plan.ts';

export type MoveVerdict =
  /** The robot is stuck, or a drive has not let go yet: the same move, after a pause. */
  | 'again'
  /** The elements are not as they were thought to be: another plan. */
  | 'replan'
  | 'giveUp';

const VERDICTS: Readonly<Partial<Record<StatusName, MoveVerdict>>> = {
  robotDown: 'again',
  // The host that controls the robot is away.
  cannotConnect: 'again',
  connectTimedOut: 'again',
  mediaInUse: 'again',
  driveNotReady: 'again',
  mountTimedOut: 'again',
  slotEmpty: 'replan',
  notMountable: 'replan',
  invalidParameter: 'replan',
};

export function judgeFailedMove(status: StatusName): MoveVerdict {
  return VERDICTS[status] ?? 'giveUp';
}

/** Whether the elements show that the move was made after all: its answer was lost, or it failed at its very end. */
export function wasMade(
  before: readonly LibraryElement[],
  after: readonly LibraryElement[],
  { from, to }: Move,
): boolean {
  const moved = before.find(({ address }) => address === from);
  const source = after.find(({ address }) => address === from);
  const target = after.find(({ address }) => address === to);
  if (!moved?.full || source?.full !== false || target?.full !== true) return false;
  return moved.barcode === null || target.barcode === null || target.barcode === moved.barcode;
}

/** What moves taught about elements, by address. */
export type Marks = ReadonlyMap<number, 'full' | 'empty'>;

export function marksAfter(marks: Marks, { from, to }: Move, failure: StatusName | null): Marks {
  const next = new Map(marks);
  if (failure === null) {
    next.delete(from);
    next.delete(to);
  } else if (failure === 'slotEmpty') next.set(from, 'empty');
  else if (failure === 'notMountable') next.set(to, 'full');
  return next;
}

/** The elements as the moves showed them to be. */
export function corrected(elements: readonly LibraryElement[], marks: Marks): LibraryElement[] {
  return elements.map((element) => {
    const mark = marks.get(element.address);
    if (mark === 'empty') return { ...element, full: false, barcode: null };
    if (mark === 'full' && !element.full) return { ...element, full: true, barcode: null };
    return element;
  });
}
