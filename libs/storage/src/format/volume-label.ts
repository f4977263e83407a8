// The label at the beginning of a volume: two records of 80 characters in the manner of ANSI X3.27, so that other
// products see a labelled tape. VOL1 names the volume, UVL1 (a user volume label) holds what is ours. Pure.

import { StatusError } from '@tapestry/status';

export interface VolumeLabel {
  /** One to six of A–Z, 0–9. */
  readonly mediaId: string;
  /** When the volume was assigned, epoch milliseconds: tells one life of the cartridge from the next. */
  readonly assignedMs: bigint;
  /** Printable ASCII, at most 32 characters. */
  readonly pool: string;
}

/** What a volume's first blocks are. `foreign`: somebody else's data or label, in words. */
export type LabelFinding =
  | { readonly kind: 'ours'; readonly label: VolumeLabel }
  | { readonly kind: 'blank' }
  | { readonly kind: 'foreign'; readonly what: string };

export const LABEL_RECORD_BYTES = 80;
const IMPLEMENTATION = 'TAPESTRY';
const LABEL_VERSION = '0001';

/** The two blocks of a label, in order. */
export function encodeVolumeLabel(label: VolumeLabel): readonly [Uint8Array, Uint8Array] {
  const { mediaId, assignedMs, pool } = label;
  if (!/^[A-Z0-9]{1,6}$/.test(mediaId)) {
    throw new StatusError('mediaIdTooLong', `"${mediaId}" is no media id of one to six characters`);
  }
  if (!/^[\x20-\x7e]{1,32}$/.test(pool) || pool !== pool.trim()) {
    throw new StatusError('invalidParameter', `pool "${pool}" does not fit a label`);
  }
  if (assignedMs < 0n || assignedMs > 9_999_999_999_999n) {
    throw new StatusError('invalidParameter', `assigned time ${assignedMs} does not fit a label`);
  }
  const vol1 = ['VOL1', mediaId.padEnd(6), ' '.repeat(14), IMPLEMENTATION.padEnd(13)];
  const uvl1 = ['UVL1', LABEL_VERSION, String(assignedMs).padStart(13, '0'), ' ', pool.padEnd(32)];
  return [
    Buffer.from(`${vol1.join('').padEnd(LABEL_RECORD_BYTES - 1)}4`, 'latin1'),
    Buffer.from(uvl1.join('').padEnd(LABEL_RECORD_BYTES), 'latin1'),
  ];
}

/** `blocks`: the first blocks of the volume up to a filemark, or none when it is blank. Padding behind 80 is ignored. */
export function decodeVolumeLabel(blocks: readonly Uint8Array[]): LabelFinding {
  const [first, second] = blocks;
  if (!first) return { kind: 'blank' };
  const vol1 = textOf(first);
  if (!vol1.startsWith('VOL1')) return { kind: 'foreign', what: foreignKind(first) };
  const uvl1 = second ? textOf(second) : '';
  const ours = vol1.slice(24, 37).trim() === IMPLEMENTATION && uvl1.startsWith('UVL1');
  if (!ours) return { kind: 'foreign', what: `ANSI label ${vol1.slice(4, 10).trim()}` };
  if (uvl1.slice(4, 8) !== LABEL_VERSION) {
    return { kind: 'foreign', what: `label version ${uvl1.slice(4, 8)} of a later release` };
  }
  const assigned = uvl1.slice(8, 21);
  if (!/^\d{13}$/.test(assigned)) return { kind: 'foreign', what: 'a damaged label' };
  const mediaId = vol1.slice(4, 10).trimEnd();
  return {
    kind: 'ours',
    label: { mediaId, assignedMs: BigInt(assigned), pool: uvl1.slice(22, 54).trimEnd() },
  };
}

function textOf(block: Uint8Array): string {
  return Buffer.from(block.subarray(0, LABEL_RECORD_BYTES)).toString('latin1');
}

/** Enough to tell an operator what would be lost. */
function foreignKind(block: Uint8Array): string {
  const bytes = Buffer.from(block.subarray(0, 1024));
  if (bytes.subarray(257, 262).toString('latin1') === 'ustar') return 'a tar archive';
  if (/^07070[1267]/.test(bytes.toString('latin1', 0, 6))) return 'a cpio archive';
  return 'data without a label';
}
