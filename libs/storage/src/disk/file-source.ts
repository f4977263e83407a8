// Reads the fragments of one copy of an image from their files: a block says how long it is, and all data blocks of a
// fragment are equally long, so that any of them is one seek away.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import type { DiskSource, ImageCopy } from '../disk.ts';
import type { LocateTarget, ReadResult } from '../drive.ts';
import { PAYLOAD_OFFSET, statedBlockLength } from '../format/block.ts';
import { fragmentName } from './fragment-name.ts';

interface OpenFragment {
  readonly fragment: number;
  readonly fd: number;
  readonly sizeBytes: number;
}

export class FileSource implements DiskSource {
  readonly #dir: string;
  readonly #image: ImageCopy;
  readonly #prologue = Buffer.alloc(PAYLOAD_OFFSET);
  #open: OpenFragment | null = null;
  #fragment = 1;
  #offset = 0;

  constructor(dir: string, image: ImageCopy) {
    this.#dir = dir;
    this.#image = image;
  }

  async locate(target: LocateTarget): Promise<void> {
    if (typeof target === 'string' || 'object' in target) {
      throw new StatusError('mediaPositionError', 'a disk is searched by fragment and block');
    }
    const { file, block } = target;
    const open = file >= 1 ? this.#openFragment(file) : null;
    const offset = open && block >= 0 ? this.#offsetOf(open, block) : null;
    if (offset === null) throw this.#noBlock(file, block);
    this.#fragment = file;
    this.#offset = offset;
  }

  #offsetOf(open: OpenFragment, block: number): number | null {
    const headerBytes = this.#lengthAt(open, 0);
    if (block === 0 || headerBytes === null) return block === 0 ? 0 : null;
    const blockBytes = this.#lengthAt(open, headerBytes);
    if (blockBytes === null) return null;
    const offset = headerBytes + (block - 1) * blockBytes;
    return offset < open.sizeBytes ? offset : null;
  }

  /** The length of the block that begins here, null when none does. */
  #lengthAt(open: OpenFragment, offset: number): number | null {
    const got = readSync(open.fd, this.#prologue, 0, PAYLOAD_OFFSET, offset);
    return statedBlockLength(this.#prologue.subarray(0, got));
  }

  async readBlock(into: Uint8Array): Promise<ReadResult> {
    const open = this.#openFragment(this.#fragment);
    if (!open) return { kind: 'endOfData' };
    if (this.#offset >= open.sizeBytes) {
      this.#fragment += 1;
      this.#offset = 0;
      return { kind: 'filemark' };
    }
    return this.#read(open, into);
  }

  #read(open: OpenFragment, into: Uint8Array): ReadResult {
    const at = this.#offset;
    const got = this.#readAt(open, into, at);
    const start = into.length >= PAYLOAD_OFFSET ? into.subarray(0, got) : this.#prologue;
    if (start === this.#prologue) this.#readAt(open, this.#prologue, at);
    const lengthBytes = statedBlockLength(start);
    if (lengthBytes === null || at + lengthBytes > open.sizeBytes) {
      // Nothing says where the next block begins, unless the blocks before do.
      this.#offset = this.#behindDamage(open, at);
      const name = fragmentName({ ...this.#image, fragment: open.fragment });
      throw new StatusError('mediaReadError', `${name}: the block at byte ${at} is damaged`);
    }
    this.#offset = at + lengthBytes;
    if (lengthBytes > into.length) return { kind: 'oversize', lengthBytes };
    return { kind: 'block', lengthBytes, crc32: null };
  }

  #behindDamage(open: OpenFragment, at: number): number {
    const headerBytes = this.#lengthAt(open, 0);
    const blockBytes = headerBytes === null ? null : this.#lengthAt(open, headerBytes);
    return blockBytes !== null && at > 0 ? at + blockBytes : open.sizeBytes;
  }

  #readAt(open: OpenFragment, into: Uint8Array, offset: number): number {
    try {
      return readSync(open.fd, into, 0, into.length, offset);
    } catch (cause) {
      const detail = `fragment ${open.fragment}: ${(cause as Error).message}`;
      throw new StatusError('mediaReadError', detail, {}, { cause });
    }
  }

  /** Null when there is none. */
  #openFragment(fragment: number): OpenFragment | null {
    if (this.#open?.fragment === fragment) return this.#open;
    const path = join(this.#dir, fragmentName({ ...this.#image, fragment }));
    let fd: number;
    try {
      fd = openSync(path, 'r');
    } catch (cause) {
      const { code, message } = cause as NodeJS.ErrnoException;
      if (code === 'ENOENT') return null;
      throw new StatusError('mediaReadError', message, {}, { cause });
    }
    this.#closeFragment();
    this.#open = { fragment, fd, sizeBytes: fstatSync(fd).size };
    return this.#open;
  }

  #noBlock(file: number, block: number): StatusError {
    const { backupId, copy } = this.#image;
    const detail = `${backupId} copy ${copy} has no block ${block} in fragment ${file}`;
    return new StatusError('mediaPositionError', detail);
  }

  #closeFragment(): void {
    if (this.#open) closeSync(this.#open.fd);
    this.#open = null;
  }

  async close(): Promise<void> {
    this.#closeFragment();
  }
}
