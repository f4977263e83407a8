// A value that callers watch by long polls: each change raises its version and wakes those who wait.

export interface Seen<T> {
  readonly version: bigint;
  readonly value: T;
}

export class Watched<T> {
  #version: bigint;
  #value: T;
  readonly #waiters = new Set<() => void>();

  /** `version` begins above any that an earlier life of the daemon gave out. */
  constructor(value: T, version = BigInt(Date.now()) * 1000n) {
    this.#value = value;
    this.#version = version;
  }

  get now(): Seen<T> {
    return { version: this.#version, value: this.#value };
  }

  set(value: T): void {
    this.#value = value;
    this.#version += 1n;
    for (const wake of this.#waiters) wake();
  }

  /** The first state above `afterVersion`, or the present one when waitMs passed or `signal` aborted. */
  after(afterVersion: bigint, waitMs: number, signal?: AbortSignal): Promise<Seen<T>> {
    if (this.#version > afterVersion || waitMs <= 0 || signal?.aborted === true) {
      return Promise.resolve(this.now);
    }
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer);
        this.#waiters.delete(finish);
        signal?.removeEventListener('abort', finish);
        resolve(this.now);
      };
      const timer = setTimeout(finish, waitMs);
      this.#waiters.add(finish);
      signal?.addEventListener('abort', finish, { once: true });
    });
  }
}
