// Handlers that look into images: which there are, and which files a client had as of a time.

import type { Handlers } from '@tapestry/bus';
import {
  cursorAfter,
  type FileListEntry,
  normalizePath,
  type PathText,
  pathFromBytes,
  pathToBytes,
} from '@tapestry/catalog';
import type { FileRow, Init, ListFilesRequest } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { type ListedImage, listedImages, listImages } from './adapters/image-query.ts';
import { imageRow } from './adapters/image-rows.ts';
import { type Chain, chainsAsOf, chainsFor } from './core/chains.ts';
import { nowS, type Parts } from './parts.ts';

type BrowseHandlers = Pick<Handlers<'bpdbm'>, 'ListImages' | 'ListFiles'>;

const LIMIT_DEFAULT = 1_000;
const LIMIT_MAX = 5_000;
/** NetBackup's word for "all of it". */
const DEPTH_ALL = 999;
/** More file lists than this are not asked at once. */
const LISTS_MAX = 256;
/** The bus carries 8 MB at most. */
const REPLY_BYTES_MAX = 6_000_000;
const ROW_BYTES = 100;

export function browseHandlers(parts: Parts): BrowseHandlers {
  return {
    ListImages: async (request) => {
      const { images, more } = await listImages(parts.store.db, request, nowS(parts));
      return { images: images.map(imageRow), more };
    },
    ListFiles: (request) => listFiles(parts, request),
  };
}

export interface AsOf {
  readonly client: string;
  readonly policy: string;
  readonly backupId: string;
  readonly startS: bigint;
  readonly endS: bigint;
}

/** The chains of a client as of a time; for a named image that image alone. */
export async function chainsOf(parts: Parts, asOf: AsOf): Promise<Chain<ListedImage>[]> {
  const { db } = parts.store;
  const now = nowS(parts);
  const images = await listedImages(db, parts.files, asOf);
  if (asOf.backupId === '') return chainsAsOf(images, { ...asOf, nowS: now });
  const named = images.find((image) => image.backupId === asOf.backupId);
  if (named === undefined || named.expirationS <= now) {
    throw new StatusError('notFound', `${asOf.client} has no image ${asOf.backupId}`);
  }
  return [[named]];
}

/** A path as a user sends it. Errors: 104. */
export function pathOf(bytes: Uint8Array): PathText {
  const path = normalizePath(pathFromBytes(bytes.length === 0 ? Buffer.from('/') : bytes));
  if (path === undefined) throw new StatusError('invalidPath', `a path may not hold '..'`);
  return path;
}

async function listFiles(parts: Parts, request: ListFilesRequest) {
  const path = pathOf(request.path);
  const { above, below } = chainsFor(await chainsOf(parts, request), path);
  // Oldest first: where several images have a path, the newest one's row is shown.
  const lists = [...above, ...below]
    .flat()
    .sort((a, b) => (a.backupTimeS < b.backupTimeS ? -1 : 1))
    .slice(-LISTS_MAX)
    .map((image) => image.list);
  if (lists.length === 0) return { files: [], more: false };
  const limit = Math.min(request.limit || LIMIT_DEFAULT, LIMIT_MAX);
  const depth = request.recursionDepth === 0 ? 1 : request.recursionDepth;
  const page = await parts.lists.list(lists, path, {
    ...{ limit, merge: 'newest' as const },
    ...(depth >= DEPTH_ALL ? {} : { depth }),
    ...(request.pattern === '' ? {} : { namePattern: request.pattern }),
    ...(request.afterPath.length === 0 ? {} : { after: cursorAfter(pathOf(request.afterPath)) }),
  });
  if (page.entries.length > 0 || request.afterPath.length > 0) {
    const files = fitting(page.entries).map(fileRow);
    return { files, more: page.next !== undefined || files.length < page.entries.length };
  }
  // Nothing below it: it may be a file itself.
  const own = (await parts.lists.lookup(lists, [path])).filter((entry) => entry.saved);
  const newest = own.at(-1);
  const shown = newest !== undefined && newest.type !== 'dir' ? [fileRow(newest)] : [];
  return { files: shown, more: false };
}

/** As many as fit into one answer; paths may be long. */
function fitting(entries: readonly FileListEntry[]): readonly FileListEntry[] {
  let sizeBytes = 0;
  const end = entries.findIndex((entry) => {
    sizeBytes += ROW_BYTES + 3 * entry.path.length;
    return sizeBytes > REPLY_BYTES_MAX;
  });
  return end < 0 ? entries : entries.slice(0, Math.max(1, end));
}

/** What contracts call an unknown place in the stream. */
export const UNKNOWN_PLACE = 18_446_744_073_709_551_615n;

function fileRow(entry: FileListEntry): Init<FileRow> {
  return {
    ...{ path: pathToBytes(entry.path), type: entry.type, sizeBytes: entry.sizeBytes },
    mtimeS: BigInt(entry.mtimeS ?? 0),
    ...{ mode: entry.mode ?? 0, uid: entry.uid ?? 0, gid: entry.gid ?? 0 },
    ...{ backupId: entry.listId, node: entry.node, fhInfo: entry.fhInfo ?? UNKNOWN_PLACE },
  };
}
