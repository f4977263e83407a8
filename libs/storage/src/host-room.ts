// How far a full host may be filled. The last of its room is kept for what must still work then: the trailer of a fragment, a
// filemark, and the database in which a cartridge is unmounted. Pure.

const MIB = 1024 * 1024;
/** Trailers and filemarks are smaller than this, data blocks as a rule larger. */
const SMALL_BYTES = MIB / 16;

const SPARE_BYTES = 4 * MIB;

/** No data block of the usual size fits any more. */
export function isHostFull(freeBytes: number): boolean {
  return freeBytes < SPARE_BYTES + MIB / 4;
}

/** Whether so many bytes may still be written on a host with so much room. */
export function fitsHost(freeBytes: number, bytes: number): boolean {
  return freeBytes - bytes >= (bytes <= SMALL_BYTES ? MIB : SPARE_BYTES);
}
