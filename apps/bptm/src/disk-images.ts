// What lies on this host's disk storage units, for the catalog that decides what may go: lists images, and deletes those
// that it names. Promises that an image that somebody writes stays, and that what is deleted is gone from the disk.

import type { Client, Handlers } from '@tapestry/bus';
import type {
  DeleteDiskImagesRequest,
  DiskImage,
  ListDiskImagesRequest,
} from '@tapestry/contracts';
import type { Logger } from '@tapestry/runtime';
import { StatusError } from '@tapestry/status';
import { type DiskStorage, openFileDisk, type StoredFragment } from '@tapestry/storage';

export interface DiskImagesParts {
  readonly nbemm: Client<'nbemm'>;
  readonly host: string;
  readonly log: Logger;
}

type DiskImageHandlers = Pick<Handlers<'bptm'>, 'DeleteDiskImages' | 'ListDiskImages'>;

const DELETED_MAX = 200;
const PAGE_MAX = 10_000;

export function diskImageHandlers(parts: DiskImagesParts): DiskImageHandlers {
  return {
    DeleteDiskImages: (request) => deleteImages(parts, request),
    ListDiskImages: (request) => listImages(parts, request),
  };
}

async function deleteImages(parts: DiskImagesParts, request: DeleteDiskImagesRequest) {
  const { storageUnit, images } = request;
  if (images.length > DELETED_MAX) {
    throw new StatusError('invalidParameter', `at most ${DELETED_MAX} images at once`);
  }
  const fragments = await withDisk(parts, storageUnit, async (disk) => {
    let deleted = 0;
    for (const { backupId, copy } of images) deleted += await disk.delete({ backupId, copy });
    return deleted;
  });
  parts.log.info({ storageUnit, images: images.length, fragments }, 'images were deleted');
  return { fragments };
}

async function listImages(parts: DiskImagesParts, request: ListDiskImagesRequest) {
  const { storageUnit, afterBackupId } = request;
  const stored = await withDisk(parts, storageUnit, (disk) => disk.list());
  const rest = imagesOf(stored).filter(({ backupId }) => backupId > afterBackupId);
  if (rest.length <= PAGE_MAX) return { images: rest, more: false };
  // All copies of an image are on one page: the next one begins behind its id.
  const last = rest[PAGE_MAX - 1]!.backupId;
  return { images: rest.filter(({ backupId }) => backupId <= last), more: true };
}

/** Fragments come by backup id and copy. */
function imagesOf(stored: readonly StoredFragment[]): DiskImage[] {
  const images: DiskImage[] = [];
  for (const { backupId, copy, sizeBytes } of stored) {
    const last = images.at(-1);
    if (last?.backupId === backupId && last.copy === copy) last.sizeBytes += BigInt(sizeBytes);
    else images.push({ backupId, copy, sizeBytes: BigInt(sizeBytes) });
  }
  return images;
}

/** Error: 2104. */
async function withDisk<T>(
  { nbemm, host }: DiskImagesParts,
  label: string,
  work: (disk: DiskStorage) => Promise<T>,
): Promise<T> {
  const { units } = await nbemm.ListStorageUnits({ name: label });
  const unit = units.find(
    (each) => each.label === label && each.type === 'Disk' && each.mediaServer === host,
  );
  if (unit === undefined) {
    const why = `${host} has no disk storage unit ${label}`;
    throw new StatusError('storageUnitMissing', why, { storageUnit: label });
  }
  const disk = await openFileDisk({ dir: unit.path });
  try {
    return await work(disk);
  } finally {
    await disk.close();
  }
}
