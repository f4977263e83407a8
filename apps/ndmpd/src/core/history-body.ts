// The body of a history post while it fills up: entries in the layout that v3 and v4 share, written by hand, since
// there is one for each file of a backup. What @tapestry/ndmp reads from it is what was added.

import type { FileStat, HistoryFile, HistoryKind, HistoryNode } from '@tapestry/ndmp';
import { FILE_TYPE, FS_TYPE } from '@tapestry/ndmp';
import type { AheadRecord } from './ahead-record.ts';
import { historySeconds } from './entry.ts';

const ROOM_BYTES = 40 * 1024;
/** Of an entry, beside its name. */
const ENTRY_BYTES_MAX = 96;
const SLASH = 0x2f;
const TWO_TO_32 = 2 ** 32;

export class HistoryBody {
  readonly kind: HistoryKind;
  #bytes: Buffer = Buffer.allocUnsafeSlow(ROOM_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 4;
  #count = 0;

  constructor(kind: HistoryKind) {
    this.kind = kind;
  }

  get count(): number {
    return this.#count;
  }

  get sizeBytes(): number {
    return this.#length;
  }

  addFile({ name, stat, node, fhInfo }: HistoryFile): void {
    this.#claim(name.length);
    const at = this.#startName(name.length);
    name.copy(this.#bytes, at);
    this.#stat(stat);
    this.#wide(node);
    this.#wide(fhInfo);
  }

  /** A file that was read ahead, by its name in a directory; `offset` of its member. */
  addPlainFile(directory: Buffer, name: string, record: AheadRecord, offset: number): void {
    const nameAt = directory.length === 0 ? 1 : directory.length + 2;
    this.#claim(nameAt + name.length);
    const at = this.#startName(nameAt + name.length);
    const bytes = this.#bytes;
    bytes[at] = SLASH;
    directory.copy(bytes, at + 1);
    bytes[at + nameAt - 1] = SLASH;
    bytes.write(name, at + nameAt, 'latin1');
    this.#plain(record, offset);
  }

  /** The name has one character a byte. */
  addDir(name: string, node: bigint, parent: bigint): void {
    this.#claim(name.length);
    const at = this.#startName(name.length);
    this.#bytes.write(name, at, 'latin1');
    this.#wide(node);
    this.#wide(parent);
  }

  addNode({ stat, node, fhInfo }: HistoryNode): void {
    this.#claim(0);
    this.#stat(stat);
    this.#wide(node);
    this.#wide(fhInfo);
  }

  addPlainNode(record: AheadRecord, offset: number): void {
    this.#claim(0);
    this.#plain(record, offset);
  }

  /** The body; the next one starts anew. */
  take(): Buffer {
    this.#view.setUint32(0, this.#count);
    const body = this.#bytes.subarray(0, this.#length);
    this.#renew(ROOM_BYTES);
    [this.#length, this.#count] = [4, 0];
    return body;
  }

  /** Makes room for an entry with a name of so many bytes. */
  #claim(nameBytes: number): void {
    this.#count += 1;
    const end = this.#length + nameBytes + ENTRY_BYTES_MAX;
    if (end <= this.#bytes.length) return;
    const before = this.#bytes;
    this.#renew(2 * end);
    before.copy(this.#bytes, 0, 0, this.#length);
  }

  #renew(bytes: number): void {
    this.#bytes = Buffer.allocUnsafeSlow(bytes);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** One name, of the UNIX kind; returns where its bytes go. */
  #startName(bytes: number): number {
    this.#word(1);
    this.#word(FS_TYPE.unix);
    this.#word(bytes);
    const at = this.#length;
    this.#length += (bytes + 3) & ~3;
    this.#view.setUint32(this.#length - 4, 0); // the padding
    return at;
  }

  #stat(stat: FileStat): void {
    this.#startStat(stat.type, stat.mtime, stat.atime, stat.ctime);
    this.#word(stat.owner);
    this.#word(stat.group);
    this.#word(stat.mode);
    this.#wide(stat.size);
    this.#word(stat.links);
  }

  #plain(record: AheadRecord, offset: number): void {
    const mtime = historySeconds(record.mtimeSeconds);
    const atime = historySeconds(record.atimeSeconds);
    this.#startStat(FILE_TYPE.regular, mtime, atime, historySeconds(record.ctimeSeconds));
    this.#word(record.uid);
    this.#word(record.gid);
    this.#word(record.mode);
    this.#number(record.size);
    this.#word(record.links);
    this.#word(record.inodeHigh);
    this.#word(record.inodeLow);
    this.#number(offset);
  }

  /** One stat, of the UNIX kind, with nothing unsupported. */
  #startStat(type: number, mtime: number, atime: number, ctime: number): void {
    this.#word(1);
    this.#word(0);
    this.#word(FS_TYPE.unix);
    this.#word(type);
    this.#word(mtime);
    this.#word(atime);
    this.#word(ctime);
  }

  #word(value: number): void {
    this.#view.setUint32(this.#length, value);
    this.#length += 4;
  }

  #number(value: number): void {
    this.#word(Math.floor(value / TWO_TO_32));
    this.#word(value);
  }

  #wide(value: bigint): void {
    this.#view.setBigUint64(this.#length, value);
    this.#length += 8;
  }
}
