// A session that ndmpagent recorded (NDMPAGENT_TRACE_DIR), for people: `epochMs mark message` lines become lines with the
// seconds since the session's first message. The mark is ! where something went wrong; # lines are remarks, and the
// lines between them, the bytes of each message, are left out.

import { StatusError } from '@tapestry/status';

export interface TraceView {
  /** Only remarks and what went wrong. */
  readonly errorsOnly: boolean;
  /** Longer lines are cut; 0 cuts none. */
  readonly columns: number;
}

const MESSAGE = /^(\d+) ([.!]) (.*)$/;

/** Error: 144 the lines are no recorded session. */
export function traceText(lines: readonly string[], { errorsOnly, columns }: TraceView): string {
  if (lines[0]?.startsWith('# NDMP session') !== true) {
    throw new StatusError('invalidParameter', 'this file is no recorded NDMP session');
  }
  const messages = lines.map((line) => MESSAGE.exec(line));
  const startMs = Number(messages.find((found) => found !== null)?.[1] ?? 0);
  const shown = lines.flatMap((line, i) => {
    const [, atMs, mark, text] = messages[i] ?? [];
    if (text === undefined) return line.startsWith('#') ? [line] : [];
    if (errorsOnly && mark !== '!') return [];
    const seconds = ((Number(atMs) - startMs) / 1000).toFixed(3);
    return [`${mark === '!' ? '!' : ' '} ${seconds.padStart(10)}  ${text}`];
  });
  const cut = (line: string): string =>
    columns > 0 && line.length > columns ? `${line.slice(0, columns - 1)}…` : line;
  return `${shown.map(cut).join('\n')}\n`;
}
