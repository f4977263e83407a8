// Lines for a job's details. Told without waiting, kept while the bus is away, and never a reason to fail.

import type { Bus } from '@tapestry/bus';
import type { Attempt, Init } from '@tapestry/contracts';

export interface DetailLine {
  readonly attempt: Init<Attempt>;
  readonly producer: string;
  readonly text: string;
  /** Makes a repeat harmless: the same line of the same attempt has the same key. */
  readonly key: string;
  readonly severity?: 'info' | 'warning' | 'error';
}

const PENDING_MAX = 10_000;
const PAUSE_MS = 500;
const TEXT_MAX = 4_000;

interface Teller {
  readonly pending: { line: DetailLine; atMs: number }[];
  busy: boolean;
}

const tellers = new WeakMap<Bus, Teller>();

export function tellDetail(bus: Bus, line: DetailLine): void {
  let teller = tellers.get(bus);
  if (teller === undefined) {
    teller = { pending: [], busy: false };
    tellers.set(bus, teller);
  }
  // Details are for reading: when a day of them waits, the oldest are worth least.
  if (teller.pending.length >= PENDING_MAX) teller.pending.shift();
  teller.pending.push({ line, atMs: Date.now() });
  if (!teller.busy) void drain(bus, teller);
}

async function drain(bus: Bus, teller: Teller): Promise<void> {
  teller.busy = true;
  for (;;) {
    const next = teller.pending[0];
    if (next === undefined) break;
    const { line, atMs } = next;
    const { attempt, producer } = line;
    const id = `${attempt.jobId}/${attempt.try}/${attempt.step}/${producer}/${line.key}`;
    try {
      const text = line.text.slice(0, TEXT_MAX);
      const severity = line.severity ?? 'info';
      await bus.publish(
        'JobDetail',
        { attempt, atMs: BigInt(atMs), producer, text, key: id, severity },
        { id },
      );
      if (teller.pending[0] === next) teller.pending.shift();
    } catch {
      // The bus is away: what cannot be told now is told when it is back.
      if (!bus.connected() && isClosed(bus)) break;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS).unref());
    }
  }
  teller.busy = false;
}

const closed = new WeakSet<Bus>();

/** After this no more lines are tried: the daemon stops. */
export function stopTelling(bus: Bus): void {
  closed.add(bus);
}

function isClosed(bus: Bus): boolean {
  return closed.has(bus);
}

/** Waits until the lines told so far are kept, at most graceMs. */
export async function flushDetails(bus: Bus, graceMs: number): Promise<void> {
  const endMs = Date.now() + graceMs;
  const teller = tellers.get(bus);
  while (teller !== undefined && teller.pending.length > 0 && Date.now() < endMs) {
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  stopTelling(bus);
}
