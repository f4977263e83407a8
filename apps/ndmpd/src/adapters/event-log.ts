// What an operator of ndmpd should hear about: one JSON line an event on standard error, since standard output is for
// the ready line alone.

import type { Writable } from 'node:stream';

/** `peer` is the address of the control connection's other end. */
export type EventLog = (event: { readonly peer: string; readonly text: string }) => void;

export function eventLog(out: Writable): EventLog {
  return (event) => {
    const line = { level: 'warn', time: new Date().toISOString(), service: 'ndmpd', ...event };
    out.write(`${JSON.stringify(line)}\n`);
  };
}
