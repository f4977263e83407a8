// Holds a backup still in the middle of its data, so that a fault meets it there every time.

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Site, writeNoise } from './site.ts';

export const BIG_BYTES = 220_000_000;
const MIDDLE_BYTES = 40_000_000;
const MOVES_MS = 120_000;
const TRIES_MAX = 5;

export interface Held {
  readonly jobId: bigint;
  /** Lets the filer go on. */
  release(): void;
}

/** Makes the big file once, starts a backup and freezes the filer when it has read a part of the file. */
export async function holdMidStream(site: Site, schedule = 'full'): Promise<Held> {
  const file = join(site.source, 'big');
  if (sizeOf(file) !== BIG_BYTES) writeNoise(file, BIG_BYTES);
  for (let n = 0; n < TRIES_MAX; n += 1) {
    const before = readBytes(site);
    const moved = (): number =>
      Math.max(...[...readBytes(site)].map(([pid, bytes]) => bytes - (before.get(pid) ?? 0)));
    const jobId = await site.backup({ schedule });
    const endMs = Date.now() + MOVES_MS;
    while (moved() < MIDDLE_BYTES) {
      if (Date.now() > endMs)
        throw new Error(`job ${jobId} moved no data\n${await site.details(jobId)}`);
      await sleep(1);
    }
    freeze(site);
    if (moved() < BIG_BYTES) return { jobId, release: () => thaw(site) };
    // This process was kept waiting for longer than the filer took for the rest of the file.
    thaw(site);
    await site.ended(jobId);
  }
  throw new Error(`${TRIES_MAX} backups were over before they could be met in the middle`);
}

/** Stops all processes of the filer. */
export function freeze({ filer }: Site): void {
  process.kill(-filer.pid, 'SIGSTOP');
}

/** Does nothing to a filer that is not frozen. */
export function thaw({ filer }: Site): void {
  process.kill(-filer.pid, 'SIGCONT');
}

/** What each process of the filer has read so far; the one that reads the files is a child of the listening one. */
function readBytes({ filer: { pid } }: Site): Map<number, number> {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    textOf(`/proc/${pid}/task/${task}/children`).trim().split(/\s+/),
  );
  return new Map(
    [pid, ...children.filter((each) => each !== '').map(Number)].map((each) => [
      each,
      Number(/rchar: (\d+)/.exec(textOf(`/proc/${each}/io`))?.[1] ?? 0),
    ]),
  );
}

/** Nothing, when the process has ended meanwhile. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function sizeOf(file: string): number {
  return statSync(file, { throwIfNoEntry: false })?.size ?? 0;
}
