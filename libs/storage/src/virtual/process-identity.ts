// Who holds a drive, in a form that survives the holder: enough to tell later whether it still lives.

import { readFileSync, readlinkSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** Clock ticks from boot to the start of the process: tells a process from a later one with its number. */
  readonly started: string;
  readonly bootId: string;
  /** Process numbers mean something inside one namespace only. */
  readonly pidNamespace: string;
}

export function ownIdentity(): ProcessIdentity {
  return {
    pid: process.pid,
    started: startOf('self') ?? '',
    bootId: bootId(),
    pidNamespace: pidNamespace(),
  };
}

/**
 * False only when the process is certainly gone: another boot of the same kernel, no such number, or the number was
 * given again. A process of another container on this host cannot be seen and counts as alive.
 */
export function isAlive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false;
  if (identity.pidNamespace !== pidNamespace()) return true;
  return startOf(identity.pid) === identity.started;
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}

/** Field 22 of /proc/<pid>/stat; null when there is no such process or it is a zombie. */
function startOf(pid: number | 'self'): string | null {
  let stat: string;
  try {
    stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return null;
  }
  // The command name in parentheses may hold anything, so count from behind it.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] === 'Z' || fields[0] === 'X' ? null : (fields[19] as string);
}
