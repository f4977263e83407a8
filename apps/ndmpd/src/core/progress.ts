// Counts stream bytes of an operation and tells others now and then, without asking the clock for every
// chunk.

const STEP_BYTES = 1024 * 1024;

export class Progress {
  readonly #tell: (bytes: bigint) => void;
  #bytes = 0;
  #told = 0;

  constructor(tell: (bytes: bigint) => void) {
    this.#tell = tell;
  }

  add(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes - this.#told >= STEP_BYTES || this.#told === 0) this.flush();
  }

  /** The count as it stands is told. */
  flush(): void {
    this.#told = this.#bytes;
    this.#tell(BigInt(this.#bytes));
  }
}
