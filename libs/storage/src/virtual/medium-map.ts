// Where each object of a cartridge lies: runs of equal records and the list of filemarks, in memory. Pure.
// A 12 TB cartridge of 256 KiB blocks in 2 GiB fragments takes some ten thousand runs.

import assert from 'node:assert/strict';
import { storedBytes } from './record-header.ts';

/** Records of one kind and size that lie one behind the other in one segment. */
export interface Run {
  readonly mark: boolean;
  readonly firstObject: number;
  /** Filemarks before the first object. */
  readonly firstFile: number;
  readonly segment: number;
  /** Offset of the first record's header in its segment. */
  readonly offset: number;
  readonly payloadBytes: number;
  count: number;
}

export interface RecordPlace {
  readonly mark: boolean;
  readonly segment: number;
  readonly offset: number;
  readonly payloadBytes: number;
}

export class MediumMap {
  readonly #runs: Run[] = [];
  /** Object numbers of the filemarks, ascending. */
  readonly #marks: number[] = [];
  #objectCount = 0;
  #usedBytes = 0;

  /** Object number of the end of data. */
  get objectCount(): number {
    return this.#objectCount;
  }

  get fileCount(): number {
    return this.#marks.length;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get runs(): readonly Readonly<Run>[] {
    return this.#runs;
  }

  /** Adds records at the end of data; they join the last run when they continue it. */
  append(place: RecordPlace, count: number): void {
    const { mark, segment, offset, payloadBytes } = place;
    const last = this.#runs.at(-1);
    if (last && continues(last, place) && runEnd(last) === this.#objectCount) last.count += count;
    else {
      const firstFile = this.#marks.length;
      const firstObject = this.#objectCount;
      this.#runs.push({ mark, firstObject, firstFile, segment, offset, payloadBytes, count });
    }
    if (mark) for (let i = 0; i < count; i++) this.#marks.push(this.#objectCount + i);
    this.#objectCount += count;
    this.#usedBytes += count * storedBytes(payloadBytes);
  }

  /**
   * Declares the objects up to `object` unreadable, with `file` filemarks among all before it. Used when a
   * part of a cartridge is lost: what lies behind keeps its numbers.
   */
  skipTo(object: number, file: number): void {
    assert(object >= this.#objectCount && file >= this.#marks.length);
    const marksLost = file - this.#marks.length;
    for (let i = marksLost; i > 0; i--) this.#marks.push(object - i);
    this.#objectCount = object;
  }

  /** Makes `object` the end of data. */
  cut(object: number): void {
    if (object >= this.#objectCount) return;
    while (this.#runs.length > 0) {
      const last = this.#runs.at(-1) as Run;
      const keep = Math.max(0, Math.min(last.count, object - last.firstObject));
      this.#usedBytes -= (last.count - keep) * storedBytes(last.payloadBytes);
      last.count = keep;
      if (keep > 0) break;
      this.#runs.pop();
    }
    this.#marks.length = this.filemarksBefore(object);
    this.#objectCount = object;
  }

  /** Null for an object that is lost. The object must be before the end of data. */
  find(object: number): RecordPlace | null {
    assert(object >= 0 && object < this.#objectCount);
    const run = this.#runs[lastIndexWhere(this.#runs, (r) => r.firstObject <= object)];
    if (!run || object >= runEnd(run)) return null;
    const { mark, segment, payloadBytes } = run;
    const offset = run.offset + (object - run.firstObject) * storedBytes(payloadBytes);
    return { mark, segment, offset, payloadBytes };
  }

  isMark(object: number): boolean {
    const i = this.filemarksBefore(object);
    return this.#marks[i] === object;
  }

  filemarksBefore(object: number): number {
    return lastIndexWhere(this.#marks, (mark) => mark < object) + 1;
  }

  /** Object number at which a file begins, or null when there are not so many filemarks. */
  startOfFile(file: number): number | null {
    if (file === 0) return 0;
    const mark = this.#marks[file - 1];
    return mark === undefined ? null : mark + 1;
  }

  /** Object number of the filemark that ends a file; the end of data when none does. */
  endOfFile(file: number): number {
    return this.#marks[file] ?? this.#objectCount;
  }
}

function runEnd(run: Run): number {
  return run.firstObject + run.count;
}

function continues(run: Run, place: RecordPlace): boolean {
  return (
    run.mark === place.mark &&
    run.segment === place.segment &&
    run.payloadBytes === place.payloadBytes &&
    run.offset + run.count * storedBytes(run.payloadBytes) === place.offset
  );
}

/** Index of the last item for which `holds` is true, when it is true for a first part of the list; else −1. */
function lastIndexWhere<T>(items: readonly T[], holds: (item: T) => boolean): number {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (holds(items[middle] as T)) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}
