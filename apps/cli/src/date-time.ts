// Times as NetBackup's commands write and read them: local time, month first.

/**
 * `mm/dd/yyyy`, `mm/dd/yy`, with `hh:mm` or `hh:mm:ss` after a space, in local time; or seconds since 1970.
 * Answers epoch seconds, or undefined when it is none of these or no such day.
 */
export function parseDateTime(text: string): number | undefined {
  const trimmed = text.trim();
  if (/^\d{9,11}$/.test(trimmed)) return Number(trimmed);
  const match = /^(\d{1,2})\/(\d{1,2})\/(\d{4}|\d{2})(?:\s+(\d{1,2}):(\d{2})(?::(\d{2}))?)?$/.exec(
    trimmed,
  );
  if (match === null) return undefined;
  const [month, day, yearRead, hour, minute, second] = match
    .slice(1)
    .map((part) => Number(part ?? 0)) as [number, number, number, number, number, number];
  const year = yearRead < 100 ? 2000 + yearRead : yearRead;
  if (hour > 23 || minute > 59 || second > 59) return undefined;
  const date = localDate(year, month - 1, day, hour, minute, second);
  if (date.getMonth() !== month - 1 || date.getDate() !== day) return undefined;
  return Math.floor(date.getTime() / 1000);
}

/** `hh:mm:ss` (or `mm:ss`, or seconds) as seconds; undefined when it is none. */
export function parseDuration(text: string): number | undefined {
  if (!/^\d+(:\d{1,2}){0,2}$/.test(text)) return undefined;
  return text.split(':').reduce((sum, part) => sum * 60 + Number(part), 0);
}

/** `mm/dd/yyyy hh:mm:ss` in local time; a dash for 0, which stands for never. */
export function formatDateTime(epochS: number | bigint): string {
  const seconds = Number(epochS);
  if (seconds === 0) return '-';
  const date = dateOf(seconds);
  const day = `${two(date.getMonth() + 1)}/${two(date.getDate())}/${date.getFullYear()}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** As `ls -l` of NetBackup: `Nov 22 2025 07:14:03`. */
export function formatFileTime(epochS: number | bigint): string {
  const date = dateOf(Number(epochS));
  const day = `${MONTHS[date.getMonth()]} ${String(date.getDate()).padStart(2)} ${date.getFullYear()}`;
  return `${day} ${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
}

/** `hhh:mm:ss`, as elapsed times and windows are shown. */
export function formatDuration(seconds: number | bigint): string {
  const total = Math.max(0, Math.floor(Number(seconds)));
  const hours = String(Math.floor(total / 3600)).padStart(3, '0');
  return `${hours}:${two(Math.floor(total / 60) % 60)}:${two(total % 60)}`;
}

/** Whole seconds of a time in milliseconds. */
export function secondsOf(epochMs: bigint): bigint {
  return epochMs / 1000n;
}

const MONTHS = 'Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split(' ');

function two(value: number): string {
  return String(value).padStart(2, '0');
}

function dateOf(epochS: number): Date {
  return new Date(epochS * 1000);
}

function localDate(...parts: [number, number, number, number, number, number]): Date {
  return new Date(...parts);
}
