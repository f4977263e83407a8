// The offset of a time zone at a time, from the host's own time zone data.

import { StatusError } from '@tapestry/status';
import type { OffsetAt } from '../core/windows.ts';

const QUARTER_MS = 15 * 60 * 1_000;
const CACHE_MAX = 10_000;

/** Errors: 20 when the host knows no such time zone. */
export function offsetOf(timeZone: string): OffsetAt {
  const format = formatOf(timeZone);
  const cache = new Map<number, number>();
  return (epochMs) => {
    // Clocks are changed at whole quarters of an hour only.
    const quarter = Math.floor(epochMs / QUARTER_MS);
    const known = cache.get(quarter);
    if (known !== undefined) return known;
    const found = ask(format, quarter * QUARTER_MS);
    if (cache.size >= CACHE_MAX) cache.clear();
    cache.set(quarter, found);
    return found;
  };
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat('en-US', {
      ...{ timeZone, hourCycle: 'h23', year: 'numeric', month: 'numeric', day: 'numeric' },
      ...{ hour: 'numeric', minute: 'numeric', second: 'numeric' },
    });
  } catch (error) {
    const detail = `'${timeZone}' is no time zone of this host`;
    throw new StatusError('invalidParameter', detail, {}, { cause: error });
  }
}

function ask(format: Intl.DateTimeFormat, epochMs: number): number {
  const parts = new Map(
    format.formatToParts(epochMs).map(({ type, value }) => [type, Number(value)]),
  );
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type) ?? 0;
  const day = [part('year'), part('month') - 1, part('day')] as const;
  const wallMs = Date.UTC(...day, part('hour'), part('minute'), part('second'));
  return wallMs - Math.floor(epochMs / 1_000) * 1_000;
}
