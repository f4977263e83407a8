// Which of the offered volumes an image goes on upon, or why it must wait. Promises: never one that somebody else holds,
// and to write never one that somebody waits to read, as in a round over the queue.

import type { MdsVolume } from '@tapestry/contracts';
import { isWrite, jobOf, needsOf, type Waiting } from './need.ts';

/** A volume in the books. */
export interface HeldVolume {
  readonly name: string;
  /** The group of grants that has it. */
  readonly group: string;
  readonly jobId: bigint;
  /** Set while its state is unknown. */
  readonly reason: string;
}

export interface NextVolumeFacts {
  /** As nbemm offers them, best first. */
  readonly offered: readonly MdsVolume[];
  /** nbemm's words, when it offers none. */
  readonly reasons: readonly string[];
  /** The group that asks. */
  readonly group: string;
  readonly writes: boolean;
  readonly held: readonly HeldVolume[];
  readonly waiting: readonly Waiting[];
}

export type NextVolume = { readonly volume: MdsVolume } | { readonly reasons: readonly string[] };

const REASONS_MAX = 8;

export function chooseNext(facts: NextVolumeFacts): NextVolume {
  const { offered, reasons, group } = facts;
  const others = facts.held.filter((each) => each.group !== group);
  const held = new Map(others.map((each) => [each.name, inWords(each)]));
  const awaited = facts.writes ? readersOf(facts.waiting) : new Map<string, bigint>();
  const why: string[] = [];
  for (const volume of offered) {
    const mediaId = volume.volume?.mediaId ?? '';
    const holder = held.get(mediaId);
    const reader = awaited.get(mediaId);
    if (holder !== undefined) why.push(`volume ${mediaId} ${holder}`);
    else if (reader !== undefined) {
      why.push(`volume ${mediaId} is kept for job ${reader}, which waits to read it`);
    } else return { volume };
  }
  const all = why.length > 0 ? why : reasons;
  return { reasons: all.length > 0 ? all.slice(0, REASONS_MAX) : ['no volume fits now'] };
}

function inWords({ jobId, reason }: HeldVolume): string {
  return reason === '' ? `is held by job ${jobId}` : `is unknown: ${reason}`;
}

/** Media id → a job that waits to read it. */
function readersOf(waiting: readonly Waiting[]): Map<string, bigint> {
  const readers = new Map<string, bigint>();
  for (const { request } of waiting) {
    for (const need of needsOf(request)) {
      if (!isWrite(need.request)) readers.set(need.request.mediaId, jobOf(request));
    }
  }
  return readers;
}
