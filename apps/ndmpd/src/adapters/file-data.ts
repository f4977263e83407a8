// A file's bytes on their way into the stream: straight into the sink's buffers, holes left out, and
// always exactly as many as the header promised.

import type { BigIntStats } from 'node:fs';
import { clipRuns, EXTENTS_MAX, SCAN_BLOCK_BYTES, SparseScan } from '../core/sparse-scan.ts';
import { dataBytesOf, type Extent, type Member, paddingOf } from '../core/tar-encode.ts';
import { errorCode } from './directory.ts';
import type { OpenFile, SourceTree } from './source-tree.ts';
import type { StreamSink } from './stream-sink.ts';

const SCAN_BYTES = 1024 * 1024;
const STAT_BLOCK_BYTES = 512n;

export interface DataOutcome {
  /** Bytes promised and not there any more; zeros went in their place. */
  readonly missingBytes: number;
  /** Why reading stopped. */
  readonly error: string | undefined;
}

/** An open file and the tree that it is in. */
export interface Reading {
  readonly tree: SourceTree;
  readonly fd: number;
}

/**
 * Where the data of a file with holes lies; undefined for one without. Only a file that occupies fewer
 * blocks than its size is looked at. The file system is asked; where it cannot tell, zeros are looked for.
 */
export async function sparseExtents(
  tree: SourceTree,
  { fd, stats }: OpenFile,
): Promise<readonly Extent[] | undefined> {
  if (stats.size < BigInt(SCAN_BLOCK_BYTES)) return undefined;
  if (stats.blocks * STAT_BLOCK_BYTES >= stats.size) return undefined;
  const runs = await tree.attributes.dataRuns(fd, EXTENTS_MAX);
  if (runs === undefined) return scanForZeros(tree, fd, stats);
  return clipRuns(runs, Number(stats.size));
}

function scanForZeros(
  tree: SourceTree,
  fd: number,
  stats: BigIntStats,
): readonly Extent[] | undefined {
  const scan = new SparseScan();
  const chunk = Buffer.allocUnsafe(SCAN_BYTES);
  const size = Number(stats.size);
  let at = 0;
  while (at < size) {
    const wanted = Math.min(SCAN_BYTES, size - at);
    const read = readAtMost(tree, fd, chunk.subarray(0, wanted), at);
    if (read < wanted) return undefined; // it shrinks or fails: the plain way reports that
    scan.push(chunk.subarray(0, read));
    at += read;
  }
  return scan.finish();
}

/** Sends what the member's header promised and its padding, with zeros for what cannot be read. */
export async function sendFileData(
  reading: Reading,
  member: Member,
  sink: StreamSink,
): Promise<DataOutcome> {
  const whole: Extent = { offset: 0, length: member.size };
  let missingBytes = 0;
  let error: string | undefined;
  for (const extent of member.extents ?? [whole]) {
    const outcome =
      error === undefined ? await sendExtent(reading, extent, sink) : lost(extent, error);
    error = outcome.error;
    missingBytes += outcome.missingBytes;
    if (outcome.missingBytes > 0) await sink.putZeros(outcome.missingBytes);
  }
  await sink.putZeros(paddingOf(dataBytesOf(member)));
  return { missingBytes, error };
}

function lost(extent: Extent, error: string): DataOutcome {
  return { missingBytes: extent.length, error };
}

async function sendExtent(
  { tree, fd }: Reading,
  extent: Extent,
  sink: StreamSink,
): Promise<DataOutcome> {
  let sent = 0;
  while (sent < extent.length) {
    const space = sink.space;
    const wanted = Math.min(space.length, extent.length - sent);
    let read: number;
    try {
      read = tree.readFile(fd, space.subarray(0, wanted), extent.offset + sent);
    } catch (cause) {
      return { missingBytes: extent.length - sent, error: errorCode(cause) };
    }
    if (read === 0) return { missingBytes: extent.length - sent, error: undefined };
    sent += read;
    const wait = sink.advance(read);
    if (wait !== undefined) await wait;
  }
  return { missingBytes: 0, error: undefined };
}

function readAtMost(tree: SourceTree, fd: number, into: Buffer, position: number): number {
  let total = 0;
  while (total < into.length) {
    let read: number;
    try {
      read = tree.readFile(fd, into.subarray(total), position + total);
    } catch {
      return total;
    }
    if (read === 0) break;
    total += read;
  }
  return total;
}
