// Is what a backup left behind enough to call its image valid? Fragments without a gap, every byte in one of them, and
// the very file list that was delivered. Whatever is missing is named.

import type { FileListRef, Fragment, ImageResult } from '@tapestry/contracts';

/** What bpdbm itself received. */
export interface Delivered {
  readonly sha256: Uint8Array;
  readonly sizeBytes: bigint;
}

/** Why the image is not valid, or undefined: it is. */
export function findFlaw(
  result: ImageResult,
  delivered: Delivered | undefined,
): string | undefined {
  return flawOfFragments(result.fragments, result.bytes) ?? flawOfList(result.fileList, delivered);
}

function flawOfFragments(fragments: readonly Fragment[], bytes: bigint): string | undefined {
  if (fragments.length === 0) return 'it has no fragments';
  let endBytes = 0n;
  for (const [i, fragment] of fragments.entries()) {
    const { copy, number, mediaId, streamBeginBytes, streamEndBytes } = fragment;
    if (copy !== 1 || number !== i + 1) return `fragment ${copy}/${number} is not in order`;
    if (mediaId === '') return `fragment ${number} names no volume`;
    if (streamBeginBytes !== endBytes || streamEndBytes < streamBeginBytes) {
      return `fragment ${number} begins at byte ${streamBeginBytes}, not at ${endBytes}`;
    }
    endBytes = streamEndBytes;
  }
  return endBytes === bytes ? undefined : `its fragments hold ${endBytes} of ${bytes} bytes`;
}

function flawOfList(
  list: FileListRef | null,
  delivered: Delivered | undefined,
): string | undefined {
  if (list === null) return 'it names no file list';
  if (delivered === undefined) return 'its file list was not delivered';
  const same =
    list.sizeBytes === delivered.sizeBytes &&
    list.sha256.length === delivered.sha256.length &&
    list.sha256.every((byte, i) => byte === delivered.sha256[i]);
  return same ? undefined : 'its file list is not the one that was delivered';
}
