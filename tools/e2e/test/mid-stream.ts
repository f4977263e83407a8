// Holds a backup still in the middle of its data, so that a fault meets it there every time.

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Site, writeNoise } from './site.ts';

export const BIG_BYTES = 220_000_000;
const MIDDLE_BYTES = 40_000_000;

export interface Held {
  readonly jobId: bigint;
  /** Lets the filer go on. */
  release(): void;
}

/** Makes the big file once, starts a backup and stops the filer (SIGSTOP) when it has read a part of the file. */
export async function holdMidStream(site: Site, schedule = 'full'): Promise<Held> {
  const file = join(site.source, 'big');
  if (sizeOf(file) !== BIG_BYTES) writeNoise(file, BIG_BYTES);
  const { pid } = site.filer;
  const before = readBytes(pid);
  const jobId = await site.backup({ schedule });
  const endMs = Date.now() + 60_000;
  while (readBytes(pid) - before < MIDDLE_BYTES) {
    if (Date.now() > endMs)
      throw new Error(`job ${jobId} moved no data\n${await site.details(jobId)}`);
    await sleep(1);
  }
  process.kill(pid, 'SIGSTOP');
  return { jobId, release: () => process.kill(pid, 'SIGCONT') };
}

function readBytes(pid: number): number {
  return Number(/rchar: (\d+)/.exec(readFileSync(`/proc/${pid}/io`, 'latin1'))?.[1] ?? 0);
}

function sizeOf(file: string): number {
  try {
    return statSync(file).size;
  } catch {
    return 0;
  }
}
