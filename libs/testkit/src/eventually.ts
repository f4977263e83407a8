// Waits for something to become true, with a deadline and a reason.

/**
 * Resolves with the first defined result of `probe`; rejects after timeoutMs naming `what`. The time is for a machine that
 * does much else: no test fails because something took long.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | Promise<T | undefined>,
  timeoutMs = 30_000,
): Promise<T> {
  const endMs = Date.now() + timeoutMs;
  let failure: unknown;
  for (;;) {
    try {
      const result = await probe();
      if (result !== undefined && result !== (false as T)) return result;
      failure = undefined;
    } catch (error) {
      failure = error;
    }
    if (Date.now() > endMs) {
      throw new Error(`not within ${timeoutMs} ms: ${what}`, { cause: failure });
    }
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}
