// Numbers and times as people read them: units always there, few digits, the same width for the same kind.

const UNITS = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'] as const;

/** Decimal units, three digits: 0 B, 999 B, 1.23 GB, 12.3 GB, 123 GB. */
export function sizeWords(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 ? 0 : value < 9.995 ? 2 : value < 99.95 ? 1 : 0;
  return `${value.toFixed(digits)} ${UNITS[unit]}`;
}

export function rateWords(bytesPerS: number): string {
  return `${sizeWords(bytesPerS)}/s`;
}

/** 12 s, 4 min 05 s, 3 h 07 min, 2 d 4 h. */
export function durationWords(durationMs: number): string {
  const s = Math.max(0, Math.floor(durationMs / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min ${two(s % 60)} s`;
  if (s < 86_400) return `${Math.floor(s / 3600)} h ${two(Math.floor((s % 3600) / 60))} min`;
  return `${Math.floor(s / 86_400)} d ${Math.floor((s % 86_400) / 3600)} h`;
}

/** now, 12 s ago, 4 min ago, 3 h ago, 2 d ago; `in 4 min` for what is to come. */
export function relativeWords(atMs: number, nowMs: number): string {
  const s = Math.round(Math.abs(nowMs - atMs) / 1000);
  const amount =
    s < 60
      ? `${s} s`
      : s < 3600
        ? `${Math.round(s / 60)} min`
        : s < 129_600
          ? `${Math.round(s / 3600)} h`
          : `${Math.round(s / 86_400)} d`;
  if (s < 2) return 'now';
  return atMs <= nowMs ? `${amount} ago` : `in ${amount}`;
}

/** 03:07:21 on the day itself, else 2026-03-14 03:07. */
export function shortTime(atMs: number, nowMs: number): string {
  const exact = exactTime(atMs);
  return exact.slice(0, 10) === exactTime(nowMs).slice(0, 10)
    ? clockTime(atMs)
    : exact.slice(0, 16);
}

/** 2026-03-14 03:07:21 in the reader's own time zone. */
export function exactTime(atMs: number): string {
  const d = new Date(atMs);
  const day = `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}`;
  return `${day} ${clockTime(atMs)}`;
}

export function clockTime(atMs: number): string {
  const d = new Date(atMs);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

/** 1 234 567 with thin spaces. */
export function countWords(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+(?!\d))/g, '\u202f');
}

export function capital(text: string): string {
  return text === '' ? '' : text[0]!.toUpperCase() + text.slice(1);
}

function two(value: number): string {
  return String(value).padStart(2, '0');
}
