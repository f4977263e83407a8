// What a drive process does before it moves a byte: is this the volume, does its label say so, and where does it go on?

import type { Fragment, VolumeSpec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import {
  checkVolumeLabel,
  type Drive,
  readVolumeLabel,
  verifyAppendPoint,
  writeVolumeLabel,
} from '@tapestry/storage';
import { decideLabel } from '../core/label-decision.ts';
import { blaming } from './media-blame.ts';
import type { FromDrive } from './messages.ts';

const READY_PAUSES_MS = [100, 200, 500, 1_000, 2_000, 5_000, 5_000, 5_000, 5_000];
/** A labelled volume's first tape file. */
const FIRST_FILE = 1;

type Report = (message: FromDrive) => void;

/**
 * Leaves the tape where the next fragment begins. What a failure says of volume and drive is told. Errors: 93, 168, 172, 86,
 * 2037, 2047 and those of the drive.
 */
export function prepareMediumForWrite(
  drive: Drive,
  volume: VolumeSpec,
  report: Report,
  /** Size that label blocks are padded to, where the drive takes no other. */
  padToBytes = 0,
): Promise<{ labelled: boolean; fileNumber: number }> {
  return blaming(report, () => prepare(drive, volume, report, padToBytes));
}

async function prepare(
  drive: Drive,
  volume: VolumeSpec,
  report: Report,
  padToBytes: number,
): Promise<{ labelled: boolean; fileNumber: number }> {
  await waitReady(drive, volume);
  await requireWritable(drive, volume);
  const decision = decideLabel(volume, await readVolumeLabel(drive));
  if (decision.do === 'refuse') {
    const { status, detail } = decision.failure;
    throw new StatusError(status, detail);
  }
  if (decision.do === 'label') {
    const { mediaId, assignedMs, pool } = volume;
    await writeVolumeLabel(drive, { mediaId, assignedMs, pool }, padToBytes);
    const detail = `labelled ${mediaId}`;
    report({ type: 'mediaEvent', event: 'MEDIA_EVENT_LABELLED', detail });
    return { labelled: true, fileNumber: FIRST_FILE };
  }
  const { mediaId, assignedMs, append } = volume;
  const fileNumber = append?.fileNumber ?? FIRST_FILE;
  await verifyAppendPoint(drive, {
    ...{ mediaId, assignedMs, fileNumber },
    object: append && append.blockNumber > 0n ? Number(append.blockNumber) : null,
    digest: append?.trailerDigest ?? new Uint8Array(0),
  });
  return { labelled: false, fileNumber };
}

/** Error: 2047. */
export async function requireWritable(
  drive: Drive,
  { mediaId }: Pick<VolumeSpec, 'mediaId'>,
): Promise<void> {
  const { writeProtected } = await drive.loadState();
  if (writeProtected) throw new StatusError('writeProtected', `${mediaId} is write-protected`);
}

/**
 * The volume and its life must be those that its fragments were written in. Answers the tape file of the first of them.
 * Errors: 93, 94, 165, 172, 2037.
 */
export async function checkMediumForRead(
  drive: Drive,
  volume: VolumeSpec,
  fragments: readonly Fragment[],
  report: Report,
): Promise<number> {
  if (fragments.length === 0) throw new StatusError('noFragments', 'there is nothing to read');
  const first = fragments.find(({ mediaId }) => mediaId === volume.mediaId);
  if (first === undefined) {
    const detail = `no fragment of the image lies on ${volume.mediaId}, which is mounted`;
    throw new StatusError('cannotPositionToImage', detail);
  }
  return blaming(report, async () => {
    await waitReady(drive, volume);
    const assignedMs = first.mediaAssignedMs;
    await checkVolumeLabel(drive, { mediaId: volume.mediaId, assignedMs });
    return first.fileNumber;
  });
}

/** Errors: 93 another barcode, or a cleaning cartridge, is in the drive; 2037. */
export async function waitReady(drive: Drive, volume: VolumeSpec): Promise<void> {
  for (const pauseMs of READY_PAUSES_MS) {
    const { loaded, barcode, cleaning } = await drive.loadState();
    if (cleaning) {
      const detail = `a cleaning cartridge is in the drive, not ${volume.mediaId}`;
      throw new StatusError('wrongTape', detail);
    }
    if (loaded) {
      checkBarcode(volume.barcode, barcode);
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMs));
  }
  throw new StatusError('driveNotReady', `${volume.mediaId} did not become ready in the drive`);
}

function checkBarcode(expected: string, found: string | null): void {
  if (expected === '' || found === null || expected === found) return;
  throw new StatusError('wrongTape', `the drive holds barcode ${found}, expected was ${expected}`);
}
