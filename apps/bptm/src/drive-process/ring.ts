// The ring between the thread that owns the socket and the thread that owns the drive: slots of one block each
// in shared memory. One producer, one consumer, no lock; payload is never copied from one thread's memory to the other's.

import assert from 'node:assert';
import { payloadCapacity } from '@tapestry/storage/block';
import { Bell } from './bell.ts';

/** What crosses the thread border when the drive thread starts. */
export interface RingMemory {
  readonly slots: number;
  readonly blockSizeBytes: number;
  /** The consumer is only woken for so many blocks, or the end: waking a thread costs more than writing a block. */
  readonly wakeBlocks: number;
  readonly blocks: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  /** Rung too whenever the consumer is woken, where it waits for several rings. */
  readonly bell: SharedArrayBuffer | null;
}

/** Words of the control memory. Counts wrap around; only their difference has a meaning. */
const FILLED = 0;
const FREED = 1;
const END = 2;
const STOP = 3;
/** Raised before a waiter is woken, so that it cannot miss what came between its look and its sleep. */
const FILLED_CHANGES = 4;
const FREED_CHANGES = 5;
const WORDS = 6;

/** What a waiter waits for: the consumer for blocks, the producer for room. */
export type Awaited = 'blocks' | 'room';
const CHANGES_WORD: Readonly<Record<Awaited, number>> = {
  blocks: FILLED_CHANGES,
  room: FREED_CHANGES,
};

/** How long a waiter sleeps before it looks again by itself. */
const LOOK_MS = 1_000;

/** `slots` is a power of two, so that the counts may wrap around. */
export function makeRingMemory(
  slots: number,
  blockSizeBytes: number,
  wakeBlocks = 1,
  bell: SharedArrayBuffer | null = null,
): RingMemory {
  assert(slots > 1 && (slots & (slots - 1)) === 0, `a ring of ${slots} slots`);
  return {
    slots,
    blockSizeBytes,
    wakeBlocks,
    bell,
    blocks: new SharedArrayBuffer(slots * blockSizeBytes),
    control: new SharedArrayBuffer((WORDS + 2 * slots) * Int32Array.BYTES_PER_ELEMENT),
  };
}

/** A filled slot: the block's memory, and which of its bytes are payload. */
export interface Slot {
  readonly block: Buffer;
  readonly payloadStart: number;
  readonly payloadBytes: number;
}

/**
 * Either side's view. The producer calls `next`, `publish`, `end`; the consumer `filled`, `peek`, `free`.
 * Both may call `stop`, after which waits return at once and nothing more is handed over.
 */
export class Ring {
  readonly memory: RingMemory;
  readonly payloadBytesMax: number;
  readonly #control: Int32Array;
  readonly #spans: Int32Array;
  readonly #blocks: Buffer[];
  readonly #bell: Bell | null;

  constructor(memory: RingMemory) {
    this.memory = memory;
    this.#bell = memory.bell === null ? null : new Bell(memory.bell);
    this.payloadBytesMax = payloadCapacity(memory.blockSizeBytes);
    this.#control = new Int32Array(memory.control, 0, WORDS);
    this.#spans = new Int32Array(memory.control, WORDS * Int32Array.BYTES_PER_ELEMENT);
    this.#blocks = Array.from({ length: memory.slots }, (_, index) =>
      Buffer.from(memory.blocks, index * memory.blockSizeBytes, memory.blockSizeBytes),
    );
  }

  /** Blocks that wait for the consumer. */
  get filled(): number {
    return (Atomics.load(this.#control, FILLED) - Atomics.load(this.#control, FREED)) | 0;
  }

  get hasRoom(): boolean {
    return this.filled < this.memory.slots;
  }

  get stopped(): boolean {
    return Atomics.load(this.#control, STOP) === 1;
  }

  /** The producer will publish no more. What is filled is still to be taken. */
  get ended(): boolean {
    return Atomics.load(this.#control, END) === 1;
  }

  /** The slot that the producer fills next: its own only while `hasRoom`. */
  nextBlock(): Buffer {
    return this.#blocks[this.#index(FILLED, 0)]!;
  }

  /** Hands the next slot to the consumer. */
  publish(payloadStart: number, payloadBytes: number): void {
    const index = this.#index(FILLED, 0);
    this.#spans[2 * index] = payloadStart;
    this.#spans[2 * index + 1] = payloadBytes;
    Atomics.add(this.#control, FILLED, 1);
    if (this.filled >= this.memory.wakeBlocks) this.#wake('blocks');
  }

  /** The n-th filled slot, from 0; n must be below `filled`. */
  peek(n: number): Slot {
    const index = this.#index(FREED, n);
    return {
      block: this.#blocks[index]!,
      payloadStart: this.#spans[2 * index]!,
      payloadBytes: this.#spans[2 * index + 1]!,
    };
  }

  /** Gives the oldest filled slots back to the producer. */
  free(count: number): void {
    Atomics.add(this.#control, FREED, count);
    if (this.filled <= this.memory.slots / 2) this.#wake('room');
  }

  end(): void {
    Atomics.store(this.#control, END, 1);
    this.#wake('blocks');
  }

  stop(): void {
    Atomics.store(this.#control, STOP, 1);
    this.#wake('blocks');
    this.#wake('room');
  }

  /** Sleeps, as a thread, until `condition` holds, the ring is stopped or atMostMs passed. Never on a main thread. */
  waitSync(what: Awaited, condition: () => boolean, atMostMs = Number.POSITIVE_INFINITY): void {
    const word = CHANGES_WORD[what];
    const endMs = performance.now() + atMostMs;
    for (;;) {
      const seen = Atomics.load(this.#control, word);
      if (condition() || this.stopped || performance.now() >= endMs) return;
      Atomics.wait(this.#control, word, seen, Math.min(LOOK_MS, atMostMs));
    }
  }

  /** The same without blocking the event loop, and without an end of its own. */
  async wait(what: Awaited, condition: () => boolean): Promise<void> {
    const word = CHANGES_WORD[what];
    for (;;) {
      const seen = Atomics.load(this.#control, word);
      if (condition() || this.stopped) return;
      const change = Atomics.waitAsync(this.#control, word, seen, LOOK_MS);
      if (change.async) await change.value;
    }
  }

  #index(counter: number, ahead: number): number {
    return ((Atomics.load(this.#control, counter) + ahead) >>> 0) % this.memory.slots;
  }

  #wake(what: Awaited): void {
    Atomics.add(this.#control, CHANGES_WORD[what], 1);
    Atomics.notify(this.#control, CHANGES_WORD[what]);
    if (what === 'blocks') this.#bell?.ring();
  }
}
