// What the emulated drive answers to commands that a DMA passes through (SSC-4 over SPC-4). Only those that ask are
// known: data and position move by NDMP's own requests, so that the server always knows where the tape stands.

import type { Capacity, LoadState, Position } from '@tapestry/storage';
import { LOG_SENSE, type LogPage, logSense, tapeAlertPage } from './log-pages.ts';
import { modeSense } from './mode-pages.ts';
import { inquiry, type ScsiIdentity } from './scsi-inquiry.ts';
import {
  bit,
  check,
  good,
  invalidField,
  requestSense,
  type ScsiReply,
  SENSE,
} from './scsi-reply.ts';

export interface TapeFacts {
  readonly identity: ScsiIdentity;
  /** Null when what is in the drive cannot be used. */
  readonly load: LoadState | null;
  /** Null when no medium is loaded, as the next. */
  readonly position: Position | null;
  readonly capacity: Capacity | null;
  /** Flags that are raised; asked for when a command asks for them alone. */
  readonly tapeAlerts: readonly number[];
  readonly blockBytesMin: number;
  readonly blockBytesMax: number;
}

const MIB = 1024 * 1024;
const COMMANDS: ReadonlyMap<number, (cdb: Buffer, facts: TapeFacts) => ScsiReply> = new Map([
  [0x00, testUnitReady],
  [0x03, requestSense],
  [0x05, readBlockLimits],
  [0x12, (cdb, { identity }) => inquiry(cdb, identity)],
  [0x1a, tapeModeSense],
  [0x34, readPosition],
  [LOG_SENSE, (cdb, facts) => logSense(cdb, logPages(facts))],
  [0x5a, tapeModeSense],
] satisfies [number, (cdb: Buffer, facts: TapeFacts) => ScsiReply][]);

/** The CDB must have the length that its opcode asks for. */
export function tapeReply(cdb: Buffer, facts: TapeFacts): ScsiReply {
  const command = COMMANDS.get(cdb[0] ?? 0);
  return command?.(cdb, facts) ?? check(SENSE.invalidOpcode);
}

function testUnitReady(_cdb: Buffer, { load }: TapeFacts): ScsiReply {
  return load?.loaded ? good() : notReady(load);
}

function notReady(load: LoadState | null): ScsiReply {
  return check(load === null ? SENSE.unreadableMedium : SENSE.noMedium);
}

function readBlockLimits(cdb: Buffer, { blockBytesMin, blockBytesMax }: TapeFacts): ScsiReply {
  if (bit(cdb, 1, 0)) return invalidField(1);
  const limits = Buffer.alloc(6);
  limits.writeUIntBE(blockBytesMax, 1, 3);
  limits.writeUInt16BE(blockBytesMin, 4);
  return good(limits);
}

function tapeModeSense(cdb: Buffer, { load }: TapeFacts): ScsiReply {
  const buffered = 0x10;
  return modeSense(cdb, {
    deviceSpecific: (load?.writeProtected ? 0x80 : 0) | buffered,
    blockDescriptor: Buffer.alloc(8), // variable block length; virtual media have no density
    pages: [COMPRESSION_PAGE, CONFIGURATION_PAGE, mediumConfigurationPage(load?.worm === true)],
  });
}

/** Data compression (SSC-4 8.3.3): there is none. */
const COMPRESSION_PAGE = pageOf(0x0f, 16);

/** Device configuration (SSC-4 8.3.4): block identifiers, and an end-of-data mark behind every write. */
const CONFIGURATION_PAGE = (() => {
  const page = pageOf(0x10, 16);
  page[8] = 0x40; // LOIS
  page[10] = 0x10; // EEG
  return page;
})();

/** Medium configuration (SSC-4 8.3.8). */
function mediumConfigurationPage(isWorm: boolean): Buffer {
  const page = pageOf(0x1d, 32);
  if (isWorm) page.set([0x01, 0, 0x01, 0x01], 2); // WORMM; neither labels nor filemarks may be written over
  return page;
}

function pageOf(code: number, bytes: number): Buffer {
  const page = Buffer.alloc(bytes);
  page[0] = code;
  page[1] = bytes - 2;
  return page;
}

/** Short, long and extended form (SSC-4 7.7). Nothing waits in a buffer that the host could lose count of. */
function readPosition(cdb: Buffer, { load, position }: TapeFacts): ScsiReply {
  const form = (cdb[1] ?? 0) & 0x1f;
  if (form !== 0x00 && form !== 0x06 && form !== 0x08) return invalidField(1);
  if (position === null) return notReady(load);
  if (form === 0x06) return good(longPosition(position));
  if (form === 0x00) return good(shortPosition(position));
  return good(extendedPosition(position), cdb.readUInt16BE(7));
}

function positionFlags({ object }: Position, unknownObject: number): number {
  if (object === null) return unknownObject;
  return object === 0 ? 0x80 : 0; // BOP
}

function shortPosition(position: Position): Buffer {
  const { object } = position;
  const data = Buffer.alloc(20);
  if (object !== null && object > 0xffff_ffff)
    data[0] = 0x02; // PERR: the form is too short for it
  else {
    data[0] = positionFlags(position, 0x04); // LOLU
    data.writeUInt32BE(object ?? 0, 4);
    data.writeUInt32BE(object ?? 0, 8);
  }
  return data;
}

function longPosition(position: Position): Buffer {
  const data = Buffer.alloc(32);
  data[0] = positionFlags(position, 0x04); // LONU
  data.writeBigUInt64BE(BigInt(position.object ?? 0), 8);
  data.writeBigUInt64BE(BigInt(position.file), 16);
  return data;
}

function extendedPosition(position: Position): Buffer {
  const data = Buffer.alloc(32);
  data[0] = positionFlags(position, 0x04);
  data.writeUInt16BE(0x1c, 2);
  data.writeBigUInt64BE(BigInt(position.object ?? 0), 8);
  data.writeBigUInt64BE(BigInt(position.object ?? 0), 16);
  return data;
}

function logPages({ capacity, tapeAlerts }: TapeFacts): LogPage[] {
  const alerts = tapeAlertPage(tapeAlerts);
  return capacity === null ? [alerts] : [alerts, capacityPage(capacity)];
}

/** Tape capacity (31h, as LTO drives have it): MiB left and in all, of the one partition. */
function capacityPage({ capacityBytes, usedBytes }: Capacity): LogPage {
  const inMib = (bytes: number): Buffer => {
    const value = Buffer.alloc(4);
    value.writeUInt32BE(Math.floor(Math.max(0, bytes) / MIB));
    return value;
  };
  return {
    code: 0x31,
    parameters: [
      { code: 1, value: inMib(capacityBytes - usedBytes) },
      { code: 3, value: inMib(capacityBytes) },
    ],
  };
}
