// What this process may do to files, by its capabilities: root has them all, a service user those that
// it was given.

import { readFileSync } from 'node:fs';

const CAP_CHOWN = 0n;

/** Whether objects can be given to any owner. */
export function mayChangeOwner(): boolean {
  try {
    const status = readFileSync('/proc/self/status', 'latin1');
    const effective = BigInt(`0x${/^CapEff:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'}`);
    return ((effective >> CAP_CHOWN) & 1n) === 1n;
  } catch {
    return process.geteuid?.() === 0;
  }
}
