// What is known of a medium while it is in the drive: at which object each file begins. Filemarks are objects too.

export class FileMap {
  readonly #starts = new Map([[0, 0]]);

  /** The object of the first block of a file, when it was seen. */
  start(file: number): number | undefined {
    return this.#starts.get(file);
  }

  learn(file: number, object: number): void {
    this.#starts.set(file, object);
  }

  /** Blocks in a file that ends with a filemark, when both ends were seen. */
  blocksIn(file: number): number | undefined {
    const start = this.#starts.get(file);
    const next = this.#starts.get(file + 1);
    return start === undefined || next === undefined ? undefined : next - start - 1;
  }

  /** The file that holds an object, when the one behind it was seen as well. */
  fileOf(object: number): number | undefined {
    for (const [file, start] of this.#starts) {
      const next = this.#starts.get(file + 1);
      if (start <= object && next !== undefined && object < next) return file;
    }
    return undefined;
  }

  /** The medium ends in this file now. */
  cutBehind(file: number): void {
    for (const each of [...this.#starts.keys()]) if (each > file) this.#starts.delete(each);
  }

  clear(): void {
    this.#starts.clear();
    this.#starts.set(0, 0);
  }
}
