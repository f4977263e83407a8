// The disk storage unit of a stream: opened to write one image or to read it. Promises that an image begins on an empty
// place and only where there is room, and that what an earlier owner left of it is gone.

import { StatusError } from '@tapestry/status';
import {
  type BlockSink,
  type BlockSource,
  type DiskStorage,
  openFileDisk,
} from '@tapestry/storage';
import type { DiskUnit, Order, ReadOrder, WriteOrder } from './messages.ts';

interface Closable {
  close(): Promise<void>;
}

export interface DiskPlace<T> extends Closable {
  readonly io: T;
}

/** A fragment is a file with its own number. */
export const FIRST_FRAGMENT = 1;

/** Errors: 129 above its high-water mark, 2104, 902 a later owner has the image. */
export async function openDiskForWrite(order: WriteOrder): Promise<DiskPlace<BlockSink>> {
  return opened(order, async (disk) => {
    const copy = { backupId: order.image.backupId, copy: order.copy };
    await disk.delete(copy, { fence: order.owner });
    await disk.removeUnfinished();
    const { full, freeBytes } = await disk.space();
    if (full) {
      const { mediaId } = order.volume;
      const mark = `${order.disk?.highWaterPercent} %`;
      throw new StatusError(
        'diskFull',
        `${mediaId} is above its high-water mark of ${mark}: ${freeBytes} bytes are free`,
      );
    }
    return disk.write(copy, order.owner);
  });
}

/** Errors: 165 nothing to read, 94 the fragments lie elsewhere, 2104. */
export async function openDiskForRead(order: ReadOrder): Promise<DiskPlace<BlockSource>> {
  const { volume, fragments, backupId } = order;
  const [first] = fragments;
  if (first === undefined) throw new StatusError('noFragments', 'there is nothing to read');
  const elsewhere = fragments.find(({ mediaId }) => mediaId !== volume.mediaId);
  if (elsewhere !== undefined) {
    throw new StatusError(
      'cannotPositionToImage',
      `fragment ${elsewhere.number} lies on ${elsewhere.mediaId}, not on ${volume.mediaId}`,
    );
  }
  return opened(order, (disk) => disk.read({ backupId, copy: first.copy }));
}

async function opened<T extends Closable>(
  order: Order,
  open: (disk: DiskStorage) => Promise<T>,
): Promise<DiskPlace<T>> {
  if (order.disk === null) throw new StatusError('mediaOpenError', 'the order names no disk');
  const disk = await openFileDisk(order.disk);
  try {
    const io = await open(disk);
    return {
      io,
      close: async () => {
        await io.close();
        await disk.close();
      },
    };
  } catch (error) {
    await disk.close();
    throw error;
  }
}

/** Deletes what a writer that is gone left of an image. Answers how many fragments and unfinished files there were. */
export async function removeLeftover(
  unit: DiskUnit,
  copy: { readonly backupId: string; readonly copy: number },
  fence: Order['owner'],
): Promise<number> {
  const disk = await openFileDisk(unit);
  try {
    const deleted = await disk.delete(copy, { fence });
    return deleted + (await disk.removeUnfinished());
  } finally {
    await disk.close();
  }
}
