// Small files read before their turn, by the attribute helper, while this process sends earlier ones. Names are asked
// for in the order of the stream and their records come in that order. What waits lies in a file in memory of a few
// megabytes, and one group of records here; more is not asked for.

import { closeSync, openSync, readSync } from 'node:fs';
import { AHEAD, AheadRecord, filesBytesOf } from '../core/ahead-record.ts';
import type { Directory } from './directory.ts';
import type { AheadSource } from './source-tree.ts';

/** One more is filled by nobody: it may be read at the moment. */
const GROUPS_MAX = AHEAD.groups - 1;
/** A group is sent off when it has so many names; with more, the first of them would wait too long. */
const GROUP_NAMES = 256;

interface Group {
  readonly names: number;
  readonly place: number;
  readonly answer: Promise<Buffer>;
}

export class LoadAhead {
  readonly #source: AheadSource;
  readonly #memory: number;
  readonly #record = new AheadRecord();
  /** Sent off and not read yet, oldest first. */
  readonly #groups: Group[] = [];
  #asked = 0;
  #sealed = 0;
  /** Records of the group at hand that were not taken. */
  #left = 0;

  private constructor(source: AheadSource, path: string) {
    this.#source = source;
    this.#memory = openSync(path, 'r');
  }

  /** Undefined where nothing can be read ahead. */
  static async start(source: AheadSource): Promise<LoadAhead | undefined> {
    const path = await source.openMemory();
    return path === undefined ? undefined : new LoadAhead(source, path);
  }

  /** Whether more names may be asked for. */
  get hasRoom(): boolean {
    return this.#groups.length < GROUPS_MAX;
  }

  /**
   * A record for each name, in their order; the directory stays open until they are taken. Names have a letter in
   * front: "f" for a plain file, "x" for what only attributes are wanted of. All are in the same group.
   */
  ask(directory: Directory, names: readonly string[]): void {
    this.#source.askAhead(directory, names.join('\0'));
    this.#asked += names.length;
    if (this.#asked >= GROUP_NAMES) this.seal();
  }

  /** Nothing more will be asked for now. */
  seal(): void {
    if (this.#asked === 0) return;
    const place = (this.#sealed % AHEAD.groups) * AHEAD.groupBytes;
    this.#sealed += 1;
    const answer = this.#source.seal();
    answer.catch(() => {}); // whoever reads the group hears of it
    this.#groups.push({ names: this.#asked, place, answer });
    this.#asked = 0;
  }

  /** To be awaited, where there is a promise, before the first record of an `ask` is taken. */
  ready(): Promise<void> | undefined {
    return this.#left > 0 ? undefined : this.#readGroup();
  }

  /** The next record; it is the same object each time, and valid until `ready` is called again. */
  take(): AheadRecord {
    this.#record.moveToNext();
    this.#left -= 1;
    return this.#record;
  }

  /** The inodes of the next `count` records; undefined for each that has no more than attributes. */
  inodes(count: number): (bigint | undefined)[] {
    const [mark, left] = [this.#record.mark(), this.#left];
    const found: (bigint | undefined)[] = [];
    for (let i = 0; i < count; i += 1) {
      const record = this.take();
      found.push(record.hasContent ? record.inode : undefined);
    }
    this.#record.reset(mark);
    this.#left = left;
    return found;
  }

  close(): void {
    closeSync(this.#memory);
  }

  async #readGroup(): Promise<void> {
    if (this.#groups.length === 0) this.seal();
    const group = this.#groups.shift();
    if (group === undefined) throw new Error('nothing was asked for');
    const answer = await group.answer;
    const bytes = filesBytesOf(answer, group.names);
    readSync(this.#memory, this.#record.bytes, 0, bytes, group.place);
    this.#record.start(answer, group.names);
    this.#left = group.names;
  }
}
