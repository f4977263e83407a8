// The writing side of a history spool. Appending only encodes into memory: a backup never waits for this disk,
// and memory stays bounded because `append…` says when the caller must wait for `drain`.

import assert from 'node:assert';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { StatusError } from '@tapestry/status';
import type { HistoryDir, HistoryFile, HistoryNode, SpoolCounts } from './entry.ts';
import {
  type Block,
  DIR_END,
  FRAME_HEADER_SIZE_BYTES,
  FRAME_KIND,
  FRAME_PAYLOAD_MAX_BYTES,
  makeBlock,
  NAME_MAX_BYTES,
  putDir,
  putStat,
  SPOOL_MAGIC,
  STAT_END,
  sealFrame,
} from './record.ts';

const BLOCK_SIZE_BYTES = FRAME_HEADER_SIZE_BYTES + FRAME_PAYLOAD_MAX_BYTES;
/** From this many full blocks on, `append…` answers false. */
const QUEUE_HIGH_BLOCKS = 16;
/** A caller that goes on after `false` for this long has a bug. */
const QUEUE_MAX_BLOCKS = 512;

interface FullBlock {
  readonly block: Block;
  readonly sizeBytes: number;
}

/**
 * An append-only file of history records. Records are durable after `sync()`; a spool counts as complete only
 * after `close()`. Not safe for two writers. A failed write is final: every later call throws the same error.
 */
export class HistorySpool {
  readonly path: string;
  readonly #file: FileHandle;
  #block: Block = makeBlock(BLOCK_SIZE_BYTES);
  #at = FRAME_HEADER_SIZE_BYTES;
  #records = 0;
  #counts = { files: 0, dirs: 0, nodes: 0 };
  #queue: FullBlock[] = [];
  #spare: Block[] = [];
  #writing: Promise<void> | undefined;
  #failure: StatusError | undefined;
  #closed = false;

  private constructor(path: string, file: FileHandle) {
    this.path = path;
    this.#file = file;
  }

  /** Makes a new spool with mode 0600. Errors: fileOpenFailed, also when the file exists. */
  static async create(path: string): Promise<HistorySpool> {
    const file = await open(path, 'wx', 0o600).catch((cause: Error) => {
      throw new StatusError('fileOpenFailed', `${path}: ${cause.message}`, {}, { cause });
    });
    const spool = new HistorySpool(path, file);
    try {
      await file.write(SPOOL_MAGIC);
      await syncFolder(path);
    } catch (cause) {
      await file.close();
      throw spool.#fail(cause as Error);
    }
    return spool;
  }

  get counts(): SpoolCounts {
    return { ...this.#counts };
  }

  /** Appends in order. False: wait for `drain()` before the next append. Errors: fileWriteFailed, invalidPath. */
  appendFiles(entries: readonly HistoryFile[]): boolean {
    for (const entry of entries) {
      this.#reserve(STAT_END, entry.path.length);
      this.#at = putStat(this.#block, this.#at, entry, entry.path);
      this.#records++;
    }
    this.#counts.files += entries.length;
    return this.#hasRoom();
  }

  appendDirs(entries: readonly HistoryDir[]): boolean {
    for (const entry of entries) {
      this.#reserve(DIR_END, entry.name.length);
      this.#at = putDir(this.#block, this.#at, entry);
      this.#records++;
    }
    this.#counts.dirs += entries.length;
    return this.#hasRoom();
  }

  appendNodes(entries: readonly HistoryNode[]): boolean {
    for (const entry of entries) {
      this.#reserve(STAT_END, 0);
      this.#at = putStat(this.#block, this.#at, entry);
      this.#records++;
    }
    this.#counts.nodes += entries.length;
    return this.#hasRoom();
  }

  /** Ends when all full blocks are handed to the operating system. */
  async drain(): Promise<void> {
    while (this.#writing) await this.#writing;
    this.#check();
  }

  /** Everything appended before this call survives a crash of the host after it. */
  async sync(): Promise<void> {
    this.#check();
    this.#flush(FRAME_KIND.records);
    await this.drain();
    await this.#file.datasync().catch((cause: Error) => {
      throw this.#fail(cause);
    });
  }

  /** Marks the spool complete, syncs and closes it. Again: does nothing. */
  async close(): Promise<void> {
    if (this.#closed) return;
    try {
      this.#check();
      this.#flush(FRAME_KIND.records);
      this.#putEnd();
      await this.sync();
    } finally {
      await this.abandon();
    }
  }

  /** Closes without the end mark: readers will call this spool incomplete. The file stays. */
  async abandon(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    while (this.#writing) await this.#writing;
    await this.#file.close();
  }

  #reserve(fixedSizeBytes: number, nameSizeBytes: number): void {
    this.#check();
    if (nameSizeBytes > NAME_MAX_BYTES) {
      throw new StatusError('invalidPath', `a name in the file history has ${nameSizeBytes} bytes`);
    }
    if (this.#at + fixedSizeBytes + nameSizeBytes > BLOCK_SIZE_BYTES) {
      this.#flush(FRAME_KIND.records);
    }
  }

  #putEnd(): void {
    const { view } = this.#block;
    view.setBigUint64(this.#at, BigInt(this.#counts.files), true);
    view.setBigUint64(this.#at + 8, BigInt(this.#counts.dirs), true);
    view.setBigUint64(this.#at + 16, BigInt(this.#counts.nodes), true);
    this.#at += 24;
    this.#records = 1;
    this.#flush(FRAME_KIND.end);
  }

  /** Seals the current block, if it holds anything, and queues it. */
  #flush(kind: number): void {
    if (this.#records === 0) return;
    sealFrame(this.#block, { kind, endAt: this.#at, records: this.#records });
    this.#queue.push({ block: this.#block, sizeBytes: this.#at });
    assert(this.#queue.length <= QUEUE_MAX_BLOCKS, 'history appended without waiting for drain');
    this.#block = this.#spare.pop() ?? makeBlock(BLOCK_SIZE_BYTES);
    this.#at = FRAME_HEADER_SIZE_BYTES;
    this.#records = 0;
    this.#writing ??= this.#writeQueue();
  }

  /** Never rejects: a failure is kept and thrown by the next call. */
  async #writeQueue(): Promise<void> {
    try {
      for (let next = this.#queue[0]; next; next = this.#queue[0]) {
        await writeWhole(this.#file, next.block.bytes.subarray(0, next.sizeBytes));
        this.#queue.shift();
        if (this.#spare.length < QUEUE_HIGH_BLOCKS) this.#spare.push(next.block);
      }
    } catch (cause) {
      this.#fail(cause as Error);
      this.#queue = [];
    } finally {
      this.#writing = undefined;
    }
  }

  #hasRoom(): boolean {
    return this.#queue.length < QUEUE_HIGH_BLOCKS;
  }

  #check(): void {
    assert(!this.#closed, 'the history spool is closed');
    if (this.#failure) throw this.#failure;
  }

  #fail(cause: Error): StatusError {
    const detail = `history spool ${this.path}: ${cause.message}`;
    this.#failure ??= new StatusError('fileWriteFailed', detail, {}, { cause });
    return this.#failure;
  }
}

async function writeWhole(file: FileHandle, bytes: Buffer): Promise<void> {
  let done = 0;
  while (done < bytes.length) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done);
    done += bytesWritten;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(dirname(path), 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}
