// An image goes on upon another volume, in the drive that its stream has: what was closed is recorded, another volume is
// asked for, brought, and told to the drive. Promises: no volume is asked for before nbemm knows every fragment on the
// ones before; a mount that was asked for is waited for, however the stream ends; volumes are refused only so often.

import type { VolumeSpec } from '@tapestry/contracts';
import type { StatusName } from '@tapestry/status';
import type { Failure, FromDrive } from '../drive-process/messages.ts';
import type { Stream, StreamEffect, StreamStep } from './stream.ts';

export interface Exchange {
  /** Waits for nbemm's answer; for a volume; for the robot; for the drive process to find its place. */
  readonly step: 'recording' | 'asking' | 'mounting' | 'opening';
  /** The volume that is to be read next; empty for any to write. */
  readonly mediaId: string;
  /** Volumes that were given and not taken. */
  readonly refusals: number;
}

export type ExchangeEvent =
  | { readonly type: 'volumeGiven'; readonly number: number; readonly volume: VolumeSpec }
  /** None was to be had in time, or never will be. */
  | { readonly type: 'volumeDenied'; readonly failure: Failure };

export type ExchangeEffect =
  /** Asks until there is an answer. `volumeGiven` or `volumeDenied` follows. */
  | {
      readonly do: 'askVolume';
      readonly number: number;
      readonly mediaId: string;
      readonly avoid: readonly string[];
    }
  | { readonly do: 'giveVolume'; readonly drivePath: string };

/** So many volumes in a row may prove unfit before the stream ends with what is wrong with the last. */
const REFUSALS_MAX = 3;

/** What a volume to write says of itself: another one may do. */
const MAY_REFUSE = new Set<StatusName>([
  ...(['cannotOverwriteMedia', 'wrongTape', 'cannotReadMediaHeader', 'writeProtected'] as const),
  ...(['mediaOpenError', 'mediaPositionError', 'mediaReadError', 'driveNotReady'] as const),
]);

export function isOfVolume({ status }: Failure): boolean {
  return MAY_REFUSE.has(status);
}

type Fail = (stream: Stream, failure: Failure) => StreamStep;

export function onVolumeNeeded(
  stream: Stream,
  { mediaId, refused }: FromDrive & { type: 'volumeNeeded' },
  fail: Fail,
): StreamStep {
  if (refused !== null) return refuse(stream, refused, fail);
  const bytes = stream.fragments.at(-1)?.streamEndBytes ?? 0n;
  const text =
    stream.mode === 'write'
      ? `${stream.volume} is full after ${bytes} bytes of the image`
      : `the image goes on upon volume ${mediaId}`;
  const exchange: Exchange = { step: 'recording', mediaId, refusals: 0 };
  const asked = ask({ ...stream, exchange });
  const tell: StreamEffect = { do: 'tell', key: keyed(stream, 'full'), text };
  return { stream: asked.stream, effects: [tell, ...asked.effects] };
}

/** Asks once nothing is unrecorded any more; called for each record. */
export function ask(stream: Stream): StreamStep {
  const { exchange, unrecorded, volumeNumber, avoid } = stream;
  if (exchange?.step !== 'recording' || unrecorded.length > 0) return { stream, effects: [] };
  const { mediaId } = exchange;
  return {
    stream: { ...stream, exchange: { ...exchange, step: 'asking' } },
    effects: [{ do: 'askVolume', number: volumeNumber + 1, mediaId, avoid }],
  };
}

export function onVolumeGiven(
  stream: Stream,
  { number, volume }: ExchangeEvent & { type: 'volumeGiven' },
): StreamStep {
  const { exchange } = stream;
  if (exchange?.step !== 'asking' || number !== stream.volumeNumber + 1) {
    return { stream, effects: [] };
  }
  const next: Stream = {
    ...stream,
    ...{ volume: volume.mediaId, volumeNumber: number },
    exchange: { ...exchange, step: 'mounting' },
  };
  const text = `continuing on volume ${volume.mediaId}`;
  return {
    stream: next,
    effects: [{ do: 'tell', key: keyed(next, 'volume'), text }, { do: 'mount' }],
  };
}

/** The mount of a next volume has its answer. */
export function onNextMounted(stream: Stream, drivePath: string, tell: StreamEffect): StreamStep {
  const exchange: Exchange = { ...stream.exchange!, step: 'opening' };
  return {
    // What the drive said of the volume before is known by now.
    stream: { ...stream, exchange, tapeAlerts: [] },
    effects: [tell, { do: 'giveVolume', drivePath }],
  };
}

/** What is wrong with a volume to write is so with that volume: another may do. */
export function refuse(stream: Stream, failure: Failure, fail: Fail): StreamStep {
  const { exchange, volume, mode } = stream;
  if (exchange === null) return { stream, effects: [] };
  const refusals = exchange.refusals + 1;
  if (mode === 'read' || refusals > REFUSALS_MAX) return fail(stream, failure);
  const asked = ask({
    ...stream,
    avoid: [...stream.avoid, volume],
    exchange: { ...exchange, refusals, step: 'recording' },
  });
  const text = `volume ${volume} is not used: ${failure.detail}`;
  const tell: StreamEffect = {
    ...{ do: 'tell', key: keyed(stream, 'refused'), text, severity: 'warning' },
  };
  return { stream: asked.stream, effects: [tell, ...asked.effects] };
}

/** Details of each volume are lines of their own. */
export function keyed({ volumeNumber }: Pick<Stream, 'volumeNumber'>, key: string): string {
  return volumeNumber === 0 ? key : `${key}-${volumeNumber}`;
}
