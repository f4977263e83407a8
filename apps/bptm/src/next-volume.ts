// Asks nbrb for the volume on which an image goes on, until there is one, or for so long that there will be none. Why it
// waits is told when it changes.

import { setTimeout as sleep } from 'node:timers/promises';
import type { Client } from '@tapestry/bus';
import type { NextVolumeReply, VolumeSpec } from '@tapestry/contracts';
import type { Clock } from '@tapestry/runtime';
import { type Lease, refOf } from '@tapestry/runtime/fence';
import { asStatusError, StatusError } from '@tapestry/status';

export interface VolumeQuestion {
  readonly number: number;
  /** To read: which one. Empty: any to write. */
  readonly mediaId: string;
  readonly avoid: readonly string[];
}

export interface NextVolumeParts {
  readonly nbrb: Pick<Client<'nbrb'>, 'NextVolume'>;
  readonly clock: Clock;
  readonly lease: Lease;
  readonly wanted: VolumeQuestion;
  readonly timeoutMs: number;
  /** Aborts when nobody wants it any more. */
  readonly signal: AbortSignal;
  onWaiting(text: string, key: string): void;
}

const FIRST_PAUSE_MS = 100;
const PAUSE_MAX_MS = 5_000;
/** A volume that is being assigned is not worth a line. */
const QUIET_MS = 2_000;

/** Errors: 96 none could be had in time, 97 that one could not; what nbrb refuses; the signal's reason. */
export async function nextVolume(parts: NextVolumeParts): Promise<VolumeSpec> {
  const { clock, timeoutMs, wanted, signal } = parts;
  const startMs = clock.nowMs();
  let told = '';
  let count = 0;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(2 * pauseMs, PAUSE_MAX_MS)) {
    const { volume, reasons } = await ask(parts);
    if (volume !== null) return volume;
    const why = reasons.join('; ');
    const waitedMs = clock.nowMs() - startMs;
    if (waitedMs >= timeoutMs) throw denied(wanted, why, timeoutMs);
    if (why !== told && waitedMs >= QUIET_MS) {
      told = why;
      count += 1;
      parts.onWaiting(`waiting for ${nameOf(wanted)}: ${why}`, `wait-${wanted.number}-${count}`);
    }
    await sleep(pauseMs, undefined, { signal });
  }
}

async function ask({ nbrb, lease, wanted, signal }: NextVolumeParts): Promise<NextVolumeReply> {
  const { number, mediaId, avoid } = wanted;
  const request = { grant: refOf(lease), number, mediaId, avoidMediaIds: [...avoid] };
  try {
    return await nbrb.NextVolume(request, { signal });
  } catch (error) {
    const failure = asStatusError(error);
    if (!failure.retryable || signal.aborted) throw failure;
    return { volume: null, reasons: [`nbrb could not be asked: ${failure.detail}`] };
  }
}

function nameOf({ mediaId }: VolumeQuestion): string {
  return mediaId === '' ? 'another volume' : `volume ${mediaId}`;
}

function denied(wanted: VolumeQuestion, why: string, timeoutMs: number): StatusError {
  const seconds = Math.round(timeoutMs / 1_000);
  const detail = `${nameOf(wanted)} could not be had within ${seconds} s: ${why}`;
  return new StatusError(wanted.mediaId === '' ? 'noMediaAvailable' : 'mediaInUse', detail);
}
