// Names a process in a form that outlives it, the boot and the container: for records on disks that others may open.

import { readFileSync, readlinkSync } from 'node:fs';
import { ownMark, type ProcessMark, stillLives } from './process-mark.ts';

export interface ProcessIdentity extends ProcessMark {
  readonly bootId: string;
  /** Process numbers mean something inside one namespace only. */
  readonly pidNamespace: string;
}

export function ownIdentity(): ProcessIdentity {
  return { ...ownMark(), bootId: bootId(), pidNamespace: pidNamespace() };
}

/**
 * False only when the process is certainly gone: another boot of the same kernel, no such number, or the number was
 * given again. A process of another container on this host cannot be seen and counts as alive.
 */
export function mayLive(identity: ProcessIdentity): boolean {
  if (identity.bootId !== bootId()) return false;
  if (identity.pidNamespace !== pidNamespace()) return true;
  return stillLives(identity);
}

function bootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

function pidNamespace(): string {
  return readlinkSync('/proc/self/ns/pid');
}
