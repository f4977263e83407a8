// Bytes over time of the jobs that run, so that whoever opens the page at three in the morning sees how the last
// minutes went. Bounded twice: points a job, and jobs.

import type { ApiSample } from '../schemas.ts';

export type Throughput = Map<number, ApiSample[]>;

export const THROUGHPUT_LIMITS = { pointsMax: 240, jobsMax: 2_000, spacingMs: 1_000 } as const;

const MOVING_WITHIN_MS = 60_000;
const ROW_POINTS = 60;

/**
 * Adds a point; the series itself is replaced, never changed, so that who holds it sees a new one. A full series
 * drops every second point and goes on: the whole run stays visible, coarser. The last point moves along until it is
 * the spacing away from the one before; bytes that went back (a new try) start over.
 */
export function addSample(
  throughput: Throughput,
  { jobId, bytes }: { readonly jobId: number; readonly bytes: number },
  atMs: number,
  limits: { pointsMax: number; jobsMax: number; spacingMs: number } = THROUGHPUT_LIMITS,
): void {
  const known = throughput.get(jobId);
  if (known === undefined && throughput.size >= limits.jobsMax) {
    throughput.delete(throughput.keys().next().value!);
  }
  const last = known?.at(-1);
  const series = known === undefined || (last !== undefined && bytes < last.bytes) ? [] : known;
  const previous = series.at(-2);
  const close =
    last !== undefined && previous !== undefined && last.atMs - previous.atMs < limits.spacingMs;
  const next = [...(close ? series.slice(0, -1) : series), { atMs, bytes }];
  throughput.set(
    jobId,
    next.length > limits.pointsMax ? next.filter((_point, index) => index % 2 === 0) : next,
  );
}

/** The newest points of the jobs that moved in the last minute. */
export function movingSamples(throughput: Throughput, nowMs: number): Record<string, ApiSample[]> {
  const found: Record<string, ApiSample[]> = {};
  for (const [jobId, samples] of throughput) {
    const last = samples.at(-1);
    if (last !== undefined && last.atMs > nowMs - MOVING_WITHIN_MS) {
      found[String(jobId)] = samples.slice(-ROW_POINTS);
    }
  }
  return found;
}

export interface Rate {
  readonly atMs: number;
  readonly bytesPerS: number;
}

/** Below it two points tell when messages arrived, not how fast data moved. */
const RATE_SPAN_MIN_MS = 500;

/** Speed between neighbouring points. */
export function ratesOf(samples: readonly ApiSample[]): Rate[] {
  const rates: Rate[] = [];
  for (let i = 1; i < samples.length; i += 1) {
    const from = samples[i - 1]!;
    const { atMs, bytes } = samples[i]!;
    const spanMs = atMs - from.atMs;
    if (spanMs < RATE_SPAN_MIN_MS) continue;
    rates.push({ atMs, bytesPerS: Math.max(0, ((bytes - from.bytes) * 1000) / spanMs) });
  }
  return rates;
}

/** Mean speed over the last part of a series; null with fewer than two points. */
export function currentRate(samples: readonly ApiSample[], overMs = 10_000): number | null {
  const last = samples.at(-1);
  if (last === undefined || samples.length < 2) return null;
  const from = samples.find(({ atMs }) => atMs >= last.atMs - overMs) ?? samples[0]!;
  const base = from === last ? samples.at(-2)! : from;
  const spanMs = last.atMs - base.atMs;
  return spanMs < RATE_SPAN_MIN_MS
    ? null
    : Math.max(0, ((last.bytes - base.bytes) * 1000) / spanMs);
}
