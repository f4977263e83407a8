// Calls that must be answered sooner or later: tried again while the other side is away, given up on its refusal.

import { asStatusError, type StatusError } from '@tapestry/status';

export interface UntilAnswered {
  /** Ends the waiting: the promise rejects with its reason. */
  readonly signal: AbortSignal;
  readonly firstPauseMs?: number;
  readonly pauseMaxMs?: number;
  /** True: the failure is the answer. When left out, every status that never goes away by itself is one. */
  isAnswer?(error: StatusError): boolean;
  onFailure?(error: StatusError, failures: number): void;
}

/** Resolves with the answer; rejects with a StatusError that is an answer, or with the signal's reason. */
export async function untilAnswered<T>(
  call: (signal: AbortSignal) => Promise<T>,
  options: UntilAnswered,
): Promise<T> {
  const { signal, firstPauseMs = 200, pauseMaxMs = 5_000 } = options;
  for (let failures = 1; ; failures += 1) {
    signal.throwIfAborted();
    try {
      return await call(signal);
    } catch (thrown) {
      signal.throwIfAborted();
      const error = asStatusError(thrown);
      const isAnswer = options.isAnswer?.(error) ?? !error.retryable;
      if (isAnswer) throw error;
      options.onFailure?.(error, failures);
    }
    await pause(Math.min(pauseMaxMs, firstPauseMs * 2 ** Math.min(failures - 1, 10)), signal);
  }
}

/**
 * For `isAnswer` where the service passes on failures of others that look like its own silence: true unless the bus could
 * not reach the service itself, or heard nothing from it.
 */
export function wasAnsweredBy(service: string): (error: StatusError) => boolean {
  return ({ status, context }) => {
    const { subject = '', service: away = '' } = context;
    const isSilence = `${subject}`.includes(`.${service}.`) || `${away}`.startsWith(service);
    return !isSilence || status === 'accessNotAllowed';
  };
}

/** Resolves after `ms`, or at once when the signal aborts. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', finish);
      resolve();
    };
    const timer = setTimeout(finish, ms);
    signal.addEventListener('abort', finish, { once: true });
    if (signal.aborted) finish();
  });
}
