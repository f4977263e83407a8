// index.log: runs of records and checkpoints, 48 bytes each, so that loading a cartridge need not walk every header.
// Everything in it can be rebuilt from the segments: a damaged tail is dropped and scanned again.

import { crc32 } from 'node:zlib';
import type { Run } from './medium-map.ts';
import { storedBytes } from './record-header.ts';

export const ENTRY_BYTES = 48;
const KIND = { header: 0x58444956, data: 1, marks: 2, checkpoint: 3 } as const; // "VIDX"

/** What the log claims: the runs before the last checkpoint, and the checkpoint itself. */
export interface LoggedIndex {
  readonly runs: readonly Run[];
  /** Objects that were on the disk at the last checkpoint, and the segment that ended there; −1 without one. */
  readonly checkpointObject: number;
  readonly checkpointSegment: number;
}

export function encodeIndexHeader(uuid: Uint8Array): Buffer {
  const entry = Buffer.alloc(ENTRY_BYTES);
  entry.writeUInt32LE(KIND.header, 0);
  entry.writeUInt32LE(1, 4);
  entry.set(uuid, 8);
  return sealEntry(entry);
}

/** The runs from `fromObject` on, cut where they begin before it, then a checkpoint. */
export function encodeCheckpoint(
  runs: readonly Readonly<Run>[],
  fromObject: number,
  end: { readonly object: number; readonly file: number; readonly segment: number },
): Buffer {
  const entries: Buffer[] = [];
  for (let i = runs.length - 1; i >= 0; i--) {
    const run = runs[i] as Run;
    if (run.firstObject + run.count <= fromObject) break;
    entries.push(encodeRun(run, Math.max(0, fromObject - run.firstObject)));
  }
  entries.reverse();
  const checkpoint = Buffer.alloc(ENTRY_BYTES);
  checkpoint.writeUInt32LE(KIND.checkpoint, 0);
  checkpoint.writeUInt32LE(end.segment, 4);
  checkpoint.writeBigUInt64LE(BigInt(end.object), 8);
  checkpoint.writeBigUInt64LE(BigInt(end.file), 16);
  return Buffer.concat([...entries, sealEntry(checkpoint)]);
}

function encodeRun(run: Readonly<Run>, skip: number): Buffer {
  const entry = Buffer.alloc(ENTRY_BYTES);
  entry.writeUInt32LE(run.mark ? KIND.marks : KIND.data, 0);
  entry.writeUInt32LE(run.segment, 4);
  entry.writeBigUInt64LE(BigInt(run.firstObject + skip), 8);
  entry.writeBigUInt64LE(BigInt(run.firstFile + (run.mark ? skip : 0)), 16);
  entry.writeBigUInt64LE(BigInt(run.offset + skip * storedBytes(run.payloadBytes)), 24);
  entry.writeUInt32LE(run.count - skip, 32);
  entry.writeUInt32LE(run.payloadBytes, 36);
  return sealEntry(entry);
}

function sealEntry(entry: Buffer): Buffer {
  entry.writeUInt32LE(crc32(entry.subarray(0, 44)), 44);
  return entry;
}

/** Reads up to the last intact checkpoint; an index of another cartridge or without one is empty. */
export function decodeIndex(bytes: Buffer, uuid: Uint8Array): LoggedIndex {
  const runs: Run[] = [];
  let confirmed = { runs: 0, checkpointObject: 0, checkpointSegment: -1 };
  for (let at = 0; at + ENTRY_BYTES <= bytes.length; at += ENTRY_BYTES) {
    const entry = bytes.subarray(at, at + ENTRY_BYTES);
    if (crc32(entry.subarray(0, 44)) !== entry.readUInt32LE(44)) break;
    const kind = entry.readUInt32LE(0);
    if (at === 0) {
      const ours = kind === KIND.header && entry.subarray(8, 24).equals(uuid);
      if (!ours) break;
    } else if (kind === KIND.data || kind === KIND.marks) runs.push(decodeRun(entry));
    else if (kind === KIND.checkpoint) {
      const checkpointObject = Number(entry.readBigUInt64LE(8));
      const checkpointSegment = entry.readUInt32LE(4);
      confirmed = { runs: runs.length, checkpointObject, checkpointSegment };
    } else break;
  }
  return { ...confirmed, runs: runs.slice(0, confirmed.runs) };
}

function decodeRun(entry: Buffer): Run {
  return {
    mark: entry.readUInt32LE(0) === KIND.marks,
    segment: entry.readUInt32LE(4),
    firstObject: Number(entry.readBigUInt64LE(8)),
    firstFile: Number(entry.readBigUInt64LE(16)),
    offset: Number(entry.readBigUInt64LE(24)),
    count: entry.readUInt32LE(32),
    payloadBytes: entry.readUInt32LE(36),
  };
}
