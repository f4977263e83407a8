// Loads a cartridge: which objects are on it and where. Changes nothing on the disk, so it is safe at any moment and
// under any owner. What was under way when a writer died ends the tape at the last intact record.

import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { readFileOrEmpty } from '../durable-file.ts';
import { type CartridgeInfo, readCartridgeInfo, uuidBytes } from './cartridge-info.ts';
import { decodeIndex, type LoggedIndex } from './index-log.ts';
import { MediumMap, type Run } from './medium-map.ts';
import {
  decodeHeader,
  HEADER_BYTES,
  RECORD_TYPE,
  SEGMENT_START_BYTES,
  storedBytes,
} from './record-header.ts';
import {
  type ChainedSegment,
  readSegmentChain,
  type SegmentChain,
  segmentPath,
} from './segment-chain.ts';

export interface LoadedCartridge {
  readonly info: CartridgeInfo;
  readonly chain: SegmentChain;
  readonly map: MediumMap;
  /** Why this cartridge must not be written: something that was acknowledged is not there. */
  readonly suspect: string | null;
}

export function loadCartridge(dir: string): LoadedCartridge {
  const info = readCartridgeInfo(dir);
  const uuid = uuidBytes(info.uuid);
  const index = decodeIndex(readFileOrEmpty(join(dir, 'index.log')), uuid);
  const chain = readSegmentChain(dir, uuid, index.checkpointSegment);
  const map = new MediumMap();
  const resume = adoptIndex(dir, map, index, chain.segments);
  let gap = false;
  for (let i = resume.at; i < chain.segments.length; i++) {
    const segment = chain.segments[i] as ChainedSegment;
    if (map.objectCount < segment.firstObject) {
      gap = true;
      map.skipTo(segment.firstObject, segment.firstFile);
    }
    // What was overwritten long ago may stand there still, as intact as the rest.
    if (segment.guessed) continue;
    scanSegment({
      path: segmentPath(dir, segment.segment),
      segment,
      map,
      fromOffset: i === resume.at ? resume.offset : SEGMENT_START_BYTES,
    });
  }
  return { info, chain, map, suspect: findLoss(chain, index, map, gap) };
}

/** Takes over what the index knows and the chain confirms; answers where reading must go on. */
function adoptIndex(
  dir: string,
  map: MediumMap,
  index: LoggedIndex,
  segments: readonly ChainedSegment[],
): { at: number; offset: number } {
  let at = 0;
  let offset = SEGMENT_START_BYTES;
  let knownBytes = 0;
  let knownSegment = -1;
  const places = new Map(segments.map(({ segment }, i) => [segment, i]));
  // An index of an older chain cannot know what a segment that is missing now cut off.
  const current = index.checkpointSegment >= (segments.at(-1)?.segment ?? -1);
  for (const run of index.runs) {
    const i = places.get(run.segment) ?? -1;
    const segment = segments[i];
    if (
      !segment ||
      i < at ||
      (segment.guessed && !current) ||
      run.firstObject !== map.objectCount ||
      run.firstFile !== map.fileCount
    )
      break;
    if (knownSegment !== run.segment) {
      knownSegment = run.segment;
      knownBytes = segment.sealedBytes ?? fileBytes(segmentPath(dir, run.segment));
    }
    const count = usableCount(run, segment, knownBytes);
    if (count > 0) map.append(run, count);
    at = i;
    offset = run.offset + count * storedBytes(run.payloadBytes);
    if (count < run.count) break;
  }
  return { at, offset };
}

function usableCount(run: Run, segment: ChainedSegment, bytes: number): number {
  const byBytes = Math.floor((bytes - run.offset) / storedBytes(run.payloadBytes));
  return Math.max(0, Math.min(run.count, byBytes, segment.endObject - run.firstObject));
}

function fileBytes(path: string): number {
  const fd = openSync(path, 'r');
  try {
    return fstatSync(fd).size;
  } finally {
    closeSync(fd);
  }
}

function findLoss(
  chain: SegmentChain,
  index: LoggedIndex,
  map: MediumMap,
  gap: boolean,
): string | null {
  if (chain.mixed) return 'segments of another cartridge lie in its folder';
  if (!chain.complete) return 'a segment of the tape is missing';
  if (gap) return 'a part of the tape cannot be read';
  const head = chain.segments.at(-1)?.segment ?? -1;
  // An index of an older chain may know objects that were overwritten since: only the newest segment counts.
  const lost = index.checkpointSegment >= head && index.checkpointObject > map.objectCount;
  return lost
    ? `the tape ends at object ${map.objectCount}, ${index.checkpointObject} were acknowledged`
    : null;
}

interface Scan {
  readonly path: string;
  readonly segment: ChainedSegment;
  readonly map: MediumMap;
  readonly fromOffset: number;
}

/**
 * Reads record by record and adds the intact ones to the map. In the last segment, whose end nobody wrote down, payloads
 * are summed too; an older one was flushed before its successor began, so its headers are enough here.
 */
function scanSegment(scan: Scan): void {
  const { segment, map } = scan;
  const endBytes = segment.sealedBytes ?? Number.POSITIVE_INFINITY;
  const header = Buffer.alloc(HEADER_BYTES);
  const fd = openSync(scan.path, 'r');
  try {
    let offset = scan.fromOffset;
    while (map.objectCount < segment.endObject && offset + HEADER_BYTES <= endBytes) {
      if (readSync(fd, header, 0, HEADER_BYTES, offset) < HEADER_BYTES) break;
      const record = decodeHeader(header);
      const fits =
        record !== null &&
        record.object === map.objectCount &&
        record.file === map.fileCount &&
        record.generation === segment.generation &&
        Buffer.compare(record.cartridgeTag, segment.uuid.subarray(0, 8)) === 0 &&
        (record.type === RECORD_TYPE.data || record.type === RECORD_TYPE.filemark);
      if (!fits) break;
      const { payloadBytes, payloadCrc } = record;
      const length = storedBytes(payloadBytes);
      if (segment.sealedBytes === null && !payloadIntact(fd, offset, payloadBytes, payloadCrc)) {
        break;
      }
      const mark = record.type === RECORD_TYPE.filemark;
      map.append({ mark, segment: segment.segment, offset, payloadBytes }, 1);
      offset += length;
    }
  } finally {
    closeSync(fd);
  }
}

const CHUNK = Buffer.allocUnsafeSlow(1024 * 1024);

/** The padding behind the payload must be there too: the next record begins behind it. */
function payloadIntact(fd: number, offset: number, payloadBytes: number, crc: number): boolean {
  const end = offset + storedBytes(payloadBytes);
  let sum = 0;
  let at = offset + HEADER_BYTES;
  let left = payloadBytes;
  while (at < end) {
    const got = readSync(fd, CHUNK, 0, Math.min(CHUNK.length, end - at), at);
    if (got === 0) return false;
    const counted = Math.min(got, left);
    sum = crc32(CHUNK.subarray(0, counted), sum);
    left -= counted;
    at += got;
  }
  return sum === crc;
}
