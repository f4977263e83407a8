// Which files were handed to the attribute helper to make and may not be there yet. Who makes, links or replaces something
// of the same path waits for them first, so that the last of several members of one path is what stays.

/** Handed out at once: what the helper has to do while this process waits for nothing. */
const OUT_BYTES_MAX = 512 * 1024;
/** After so many more the helper is asked how far it is. */
const ASK_BYTES = 64 * 1024;
/** What a file costs beside its data, in bytes that take as long. */
const FILE_BYTES = 1024;

interface Batch {
  readonly paths: Set<string>;
  bytes: number;
}

export class HandedFiles {
  #batch: Batch = { paths: new Set(), bytes: 0 };
  /** Asked about, not answered. */
  readonly #asked = new Set<Batch>();
  #outBytes = 0;

  get hasRoom(): boolean {
    return this.#outBytes < OUT_BYTES_MAX;
  }

  /** Whether it is time to ask. */
  get isDue(): boolean {
    return this.#batch.bytes >= ASK_BYTES;
  }

  add(path: string, sizeBytes: number): void {
    const bytes = sizeBytes + FILE_BYTES;
    this.#batch.paths.add(path);
    this.#batch.bytes += bytes;
    this.#outBytes += bytes;
  }

  /** The file may not be there yet. */
  has(path: string): boolean {
    if (this.#outBytes === 0) return false;
    if (this.#batch.paths.has(path)) return true;
    for (const { paths } of this.#asked) if (paths.has(path)) return true;
    return false;
  }

  /** The helper is asked; call what is returned when it has answered. */
  ask(): () => void {
    const batch = this.#batch;
    this.#batch = { paths: new Set(), bytes: 0 };
    this.#asked.add(batch);
    return () => {
      this.#asked.delete(batch);
      this.#outBytes -= batch.bytes;
    };
  }
}
