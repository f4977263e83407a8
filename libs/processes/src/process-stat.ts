// What the kernel says of a process in /proc/<pid>/stat (proc_pid_stat(5)): the one place that takes the line apart.

import { readFileSync } from 'node:fs';

export interface ProcessStat {
  /** Clock ticks from boot to the start of the process, as the kernel spells it. */
  readonly startTicks: string;
  /** User and system time so far, in clock ticks of 10 ms. */
  readonly cpuTicks: number;
}

/** Null when the text is no such line, or of a process that has ended and waits to be reaped. */
export function parseStat(text: string): ProcessStat | null {
  // The name in field 2 may hold blanks and brackets, so counting starts behind its last bracket, with field 3.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const [state, startTicks] = [fields[0], fields[19]];
  if (startTicks === undefined || state === 'Z' || state === 'X') return null;
  return { startTicks, cpuTicks: Number(fields[11]) + Number(fields[12]) };
}

/** Null when no such process lives. It need not be ours, nor one that we may signal. */
export function readStat(pid: number): ProcessStat | null {
  try {
    // Latin-1 because a name may hold any bytes.
    return parseStat(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return null;
  }
}
