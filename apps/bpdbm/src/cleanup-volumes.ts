// Which assigned volumes have nothing on them any more, and their way back through nbrb. Promises that the catalog is
// looked at after nbemm said what is on a volume, and that nbrb is told which state of the volume that was.

import { asStatusError, StatusError } from '@tapestry/status';
import { usedMedia, whatBecameOf } from './adapters/removal-rows.ts';
import { keepsVolume } from './core/expiry.ts';
import type { Parts } from './parts.ts';

export interface EmptyVolumes {
  readonly returned: readonly string[];
  readonly kept: readonly { readonly mediaId: string; readonly reason: string }[];
  /** Nobody could be asked: of volumes that would go back. */
  readonly problems: readonly string[];
}

export interface ReturnOptions {
  readonly signal: AbortSignal;
  /** One volume alone. */
  readonly mediaId?: string;
  /** Somebody vouches for images that the catalog does not know. */
  readonly vouched?: boolean;
}

const FROZEN = 1;
const ASKED_AT_ONCE = 100;

export async function returnEmptyVolumes(
  parts: Parts,
  options: ReturnOptions,
): Promise<EmptyVolumes> {
  const returned: string[] = [];
  const kept: { mediaId: string; reason: string }[] = [];
  const problems: string[] = [];
  const candidates = await candidatesOf(parts, options.mediaId ?? '', kept);
  for (let at = 0; at < candidates.length; at += ASKED_AT_ONCE) {
    const mediaIds = candidates.slice(at, at + ASKED_AT_ONCE);
    for (const volume of await judge(parts, mediaIds, options)) {
      const { mediaId } = volume;
      const failure =
        volume.reason === undefined ? await giveBack(parts, volume, options.signal) : undefined;
      if (volume.reason !== undefined) kept.push({ mediaId, reason: volume.reason });
      else if (failure === undefined) returned.push(mediaId);
      else {
        kept.push({ mediaId, reason: failure.detail });
        // In use, or changed: that is how it should be. The next cleanup looks again.
        const usual = failure.status === 'mediaInUse' || failure.status === 'conflict';
        if (!usual) problems.push(`volume ${mediaId} could not be given back: ${failure.detail}`);
      }
      options.signal.throwIfAborted();
    }
  }
  return { returned, kept, problems };
}

/** Assigned volumes that the catalog has no image on, at a first look. */
async function candidatesOf(
  { nbemm, store }: Parts,
  mediaId: string,
  kept: { mediaId: string; reason: string }[],
): Promise<string[]> {
  const candidates: string[] = [];
  const used = await usedMedia(store.db);
  for (let afterMediaId = ''; ; ) {
    const page = await nbemm.ListVolumes({ mediaId, assignedOnly: true, afterMediaId });
    for (const { volume, statusBits } of page.volumes) {
      const id = volume?.mediaId ?? '';
      if (used.has(id)) continue;
      if ((statusBits & FROZEN) === 0) candidates.push(id);
      else kept.push({ mediaId: id, reason: 'it is frozen' });
    }
    const last = page.volumes.at(-1)?.volume?.mediaId;
    if (!page.more || last === undefined) return candidates;
    afterMediaId = last;
  }
}

interface Judged {
  readonly mediaId: string;
  readonly version: bigint;
  /** Why it stays. */
  readonly reason: string | undefined;
}

async function judge(
  { nbemm, store }: Parts,
  mediaIds: readonly string[],
  { vouched = false }: ReturnOptions,
): Promise<Judged[]> {
  const { volumes } = await nbemm.ListVolumeImages({ mediaIds: [...mediaIds] });
  const ids = [...new Set(volumes.flatMap(({ backupIds }) => backupIds))];
  const { images, gone } = await whatBecameOf(store.db, ids);
  const used = await usedMedia(store.db, mediaIds);
  const facts = { used, images, gone: new Set(gone.keys()) };
  return volumes.map(({ mediaId, version, assignedMs, backupIds }) => ({
    ...{ mediaId, version },
    reason: keepsVolume({ mediaId, assigned: assignedMs > 0n, backupIds }, facts, vouched),
  }));
}

async function giveBack(
  { nbrb, log }: Parts,
  { mediaId, version }: Judged,
  signal: AbortSignal,
): Promise<StatusError | undefined> {
  try {
    await nbrb.ReturnVolume({ mediaId, volumeVersion: version }, { signal });
    log.info({ mediaId }, 'a volume without images was given back');
    return undefined;
  } catch (error) {
    if (error instanceof StatusError) return asStatusError(error);
    throw error;
  }
}
