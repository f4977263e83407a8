// Which of the offered volumes an image goes on upon, or why it must wait. Promises: never one that somebody else holds,
// and to write never one that somebody waits to read, as in a round over the queue.

import type { MdsVolume } from '@tapestry/contracts';

export interface NextVolumeFacts {
  /** As nbemm offers them, best first. */
  readonly offered: readonly MdsVolume[];
  /** nbemm's words, when it offers none. */
  readonly reasons: readonly string[];
  /** Media id → who holds it, in words. Without those of the grant that asks. */
  readonly held: ReadonlyMap<string, string>;
  /** Media id → the job that waits to read it. Empty for who reads. */
  readonly awaited: ReadonlyMap<string, bigint>;
}

export type NextVolume = { readonly volume: MdsVolume } | { readonly reasons: readonly string[] };

const REASONS_MAX = 8;

export function chooseNext({ offered, reasons, held, awaited }: NextVolumeFacts): NextVolume {
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
