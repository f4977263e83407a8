// Members on their way into the stream: headers, history, and the content where it is at hand. The
// common case makes no promise at all; memory is that of the sink.

import type { AheadRecord } from '../core/ahead-record.ts';
import type { DumpList } from '../core/dump-directory.ts';
import type { EntryType, ObjectStats } from '../core/entry.ts';
import {
  BLOCK_BYTES,
  encodeListed,
  encodeMember,
  type Member,
  paddingOf,
} from '../core/tar-encode.ts';
import {
  PLAIN_BYTES_MAX,
  PlainHeaders,
  type PlainMember,
  plainMemberOf,
} from '../core/tar-plain.ts';
import type { BackupHistory } from './backup-history.ts';
import type { Reporter } from './reporter.ts';
import type { StreamSink } from './stream-sink.ts';
import type { WalkedDirectory } from './walked-directory.ts';

const ZEROS: Buffer = Buffer.alloc(BLOCK_BYTES);

export interface SentMember {
  readonly member: Member;
  readonly type: EntryType;
  readonly stats: ObjectStats;
  /** The whole data of a small file. */
  readonly content?: Buffer;
  /** What a directory held. */
  readonly list?: DumpList;
}

export class MemberSender {
  readonly #sink: StreamSink;
  readonly #history: BackupHistory;
  readonly #report: Reporter;
  readonly #headers = new PlainHeaders();
  #members = 0;

  constructor(sink: StreamSink, history: BackupHistory, report: Reporter) {
    this.#sink = sink;
    this.#history = history;
    this.#report = report;
  }

  get members(): number {
    return this.#members;
  }

  /** Await the promise when there is one, before anything else is sent. */
  send({ member, type, stats, content, list }: SentMember): Promise<void> | undefined {
    const offset = this.#sink.position;
    const headers = list === undefined ? this.#putHeaders(member) : this.#putListed(member, list);
    this.#members += 1;
    this.#history.member(member, { type, stats, offset });
    const data = headers === undefined ? this.#putContent(content) : undefined;
    const room = this.#report.room();
    if (headers === undefined && data === undefined) return room;
    return this.#finishMember([headers, data, room], headers === undefined ? undefined : content);
  }

  /**
   * A small file that was read ahead, if it has nothing out of the ordinary: else false, and nothing is sent. Await the
   * promise when there is one.
   */
  sendPlain(walked: WalkedDirectory, name: string, record: AheadRecord): Promise<void> | boolean {
    const { space } = this.#sink;
    const { size } = record;
    const dataBytes = size + paddingOf(size);
    if (space.length <= PLAIN_BYTES_MAX + dataBytes) return false;
    const headerBytes = this.#headers.write(space, plainOf(walked.path, name, record));
    if (headerBytes === 0) return false;
    const offset = this.#sink.position;
    const { bytes, contentAt } = record;
    bytes.copy(space, headerBytes, contentAt, contentAt + size);
    space.fill(0, headerBytes + size, headerBytes + dataBytes);
    void this.#sink.advance(headerBytes + dataBytes); // never fills it up: there is nothing to wait for
    this.#members += 1;
    this.#history.plain(walked, name, record, offset);
    return this.#report.room() ?? true;
  }

  #putHeaders(member: Member): Promise<void> | undefined {
    const { space } = this.#sink;
    const plain = space.length > PLAIN_BYTES_MAX ? plainMemberOf(member) : undefined;
    const bytes = plain === undefined ? 0 : this.#headers.write(space, plain);
    return bytes > 0 ? this.#sink.advance(bytes) : this.#sink.put(encodeMember(member));
  }

  async #putListed(member: Member, list: DumpList): Promise<void> {
    const { before, after } = encodeListed(member, list.bytes);
    await this.#sink.put(before);
    for (const piece of list.pieces()) await this.#sink.put(piece);
    await this.#sink.put(after);
  }

  async #finishMember(
    waits: readonly (Promise<void> | undefined)[],
    content: Buffer | undefined,
  ): Promise<void> {
    for (const wait of waits) await wait;
    await this.#putContent(content);
  }

  #putContent(content: Buffer | undefined): Promise<void> | undefined {
    if (content === undefined || content.length === 0) return undefined;
    const padding = ZEROS.subarray(0, paddingOf(content.length));
    const data = this.#sink.put(content);
    if (data === undefined) return this.#sink.put(padding);
    return data.then(() => this.#sink.put(padding));
  }
}

function plainOf(directory: Buffer, name: string, record: AheadRecord): PlainMember {
  const { mode, uid, gid, size, mtimeSeconds, mtimeNanoseconds } = record;
  return { directory, name, mode, uid, gid, size, mtimeSeconds, mtimeNanoseconds };
}
