// How far a long piece of work is, on one line of a terminal that is written over; nothing where nobody looks.

import type { Context } from '../command.ts';

const PAUSE_MS = 200;

export interface Progress {
  show(done: number, total: number): void;
  /** Takes the line away. */
  done(): void;
}

export function showProgress(context: Context, what: string): Progress {
  let shownMs = 0;
  let width = 0;
  return {
    show: (done, total) => {
      if (!context.terminal.isScreen || context.nowMs() - shownMs < PAUSE_MS) return;
      shownMs = context.nowMs();
      const percent = total > 0 ? Math.min(100, Math.floor((100 * done) / total)) : 100;
      const text = `${what}: ${percent} %`;
      width = Math.max(width, text.length);
      context.error(`\r${text.padEnd(width)}`);
    },
    done: () => {
      if (width > 0) context.error(`\r${' '.repeat(width)}\r`);
    },
  };
}
