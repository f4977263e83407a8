// One word that many rings raise when there is something to do: the drive thread of a shared drive waits on it alone,
// without blocking its event loop.

export class Bell {
  readonly memory: SharedArrayBuffer;
  readonly #word: Int32Array;

  constructor(memory = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.memory = memory;
    this.#word = new Int32Array(memory);
  }

  /** How often it rang; read before looking for work, so that no ring in between is missed. */
  get count(): number {
    return Atomics.load(this.#word, 0);
  }

  ring(): void {
    Atomics.add(this.#word, 0, 1);
    Atomics.notify(this.#word, 0);
  }

  /** Resolves when it rang since `seen`, at the latest after atMostMs. */
  async after(seen: number, atMostMs: number): Promise<void> {
    const change = Atomics.waitAsync(this.#word, 0, seen, atMostMs);
    if (change.async) await change.value;
  }
}
