// A robot that this host controls, as people look at it: it tells of each move when it begins and when it is over, and
// remembers what it showed last, so that looking on neither disturbs the robot nor waits for its arm.

import type { Library, LibraryElement, LibraryIdentity, MoveOptions } from '@tapestry/storage';
import { afterMove } from '../core/plan.ts';

export interface ArmMove {
  readonly from: number;
  readonly to: number;
  readonly sinceMs: number;
}

export type MovePhase = 'began' | 'made' | 'failed';

export interface WatchedParts {
  readonly inner: Library;
  readonly nowMs: () => number;
  /** Must not throw. */
  readonly tell: (move: ArmMove, phase: MovePhase) => void;
}

export interface Glance {
  readonly elements: readonly LibraryElement[];
  readonly moving: ArmMove | null;
}

/** Somebody at the mail slots is seen at most so much later. */
const GLANCE_MAX_AGE_MS = 30_000;

export class WatchedLibrary implements Library {
  readonly #parts: WatchedParts;
  #seen: readonly LibraryElement[] | null = null;
  #seenMs = 0;
  #moving: ArmMove | null = null;

  constructor(parts: WatchedParts) {
    this.#parts = parts;
  }

  /** What was seen lately, or before the move that goes on; null: it is to be looked at anew. */
  glance(): Glance | null {
    if (this.#seen === null) return null;
    const fresh = this.#parts.nowMs() - this.#seenMs <= GLANCE_MAX_AGE_MS;
    return fresh || this.#moving !== null ? { elements: this.#seen, moving: this.#moving } : null;
  }

  identity(): Promise<LibraryIdentity> {
    return this.#parts.inner.identity();
  }

  async inventory(): Promise<readonly LibraryElement[]> {
    return this.#saw(await this.#parts.inner.inventory());
  }

  async rescan(): Promise<readonly LibraryElement[]> {
    return this.#saw(await this.#parts.inner.rescan());
  }

  async move(from: number, to: number, options?: MoveOptions): Promise<void> {
    const { inner, nowMs, tell } = this.#parts;
    const move = { from, to, sinceMs: nowMs() };
    this.#moving = move;
    tell(move, 'began');
    try {
      await inner.move(from, to, options);
      this.#seen = this.#seen && afterMove(this.#seen, move);
      this.#moving = null;
      tell(move, 'made');
    } catch (error) {
      // Where the volume is now, the robot alone knows.
      this.#seen = null;
      this.#moving = null;
      tell(move, 'failed');
      throw error;
    }
  }

  close(): Promise<void> {
    return this.#parts.inner.close();
  }

  #saw(elements: readonly LibraryElement[]): readonly LibraryElement[] {
    this.#seen = elements;
    this.#seenMs = this.#parts.nowMs();
    return elements;
  }
}
