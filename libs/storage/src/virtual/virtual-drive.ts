// A drive of a virtual library, as one owner sees it: position, fence, and the cartridge that is in it.
// Work on files is synchronous; the promises are settled when a method returns, and the calls of the write path are
// offered without them too, for a writer thread that never turns to its event loop.

import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { ownIdentity } from '@tapestry/processes';
import { StatusError } from '@tapestry/status';
import {
  BLOCK_LIMITS,
  checkedBlockLength,
  checkFilemarkCount,
  checkSpaceCount,
} from '../block-checks.ts';
import type {
  BlockLimits,
  Capacity,
  Drive,
  DriveOwner,
  FilemarkMode,
  LoadState,
  LocateTarget,
  Position,
  ReadResult,
  SpaceResult,
  WriteBlock,
  WriteResult,
} from '../drive.ts';
import { alertOf, type CallFault, driveFault } from '../drive-faults.ts';
import type { FaultKind } from '../faults.ts';
import { orMediaFailure } from '../media-failure.ts';
import { TAPE_ALERT } from '../tape-alert.ts';
import { Cartridge, type CartridgeOptions, type Fence } from './cartridge.ts';
import { readCartridgeInfo } from './cartridge-info.ts';
import { checkClaim } from './drive-claim.ts';
import { LibraryDatabase } from './library-database.ts';
import { cartridgePath, databasePath } from './library-paths.ts';
import { resolveTarget, spaceOverBlocks, spaceOverFilemarks } from './map-moves.ts';
import type { NewRecord } from './segment-writer.ts';

export interface OpenVirtualDriveOptions extends CartridgeOptions {
  readonly libraryDir: string;
  /** From 0. */
  readonly driveIndex: number;
  readonly owner: DriveOwner;
  /** Distance from the end at which writes begin to answer `programmableEarlyWarning`. */
  readonly programmableEarlyWarningBytes?: number;
}

/** The write path without promises: same contracts. */
export interface VirtualDrive extends Drive {
  writeBlocksSync(blocks: readonly WriteBlock[]): WriteResult;
  writeFilemarksSync(count: number, mode: FilemarkMode): WriteResult;
  readBlockSync(into: Uint8Array): ReadResult;
}

/**
 * Takes the drive for its owner. Throws `staleGrant` when it was opened under a higher epoch, `mediaInUse` while a live
 * owner holds it under the same one, `mediaOpenError` when there is no such library or drive. An empty drive opens.
 */
export async function openVirtualDrive(options: OpenVirtualDriveOptions): Promise<VirtualDrive> {
  const { libraryDir, driveIndex, owner } = options;
  const path = databasePath(libraryDir);
  if (!existsSync(path)) throw new StatusError('mediaOpenError', `${libraryDir} is no library`);
  const database = LibraryDatabase.open(path);
  const token = randomUUID();
  try {
    database.transaction(() => {
      const row = database.drive(driveIndex);
      if (!row) throw new StatusError('mediaOpenError', `the library has no drive ${driveIndex}`);
      checkClaim(row, owner);
      database.setDriveHolder(driveIndex, owner, token, ownIdentity());
    });
  } catch (error) {
    database.close();
    throw error;
  }
  return new FileDrive(database, token, options);
}

/**
 * Ends the hold of a grant whose holder cannot close the drive: a thread of this process that died or hangs. What it may
 * still have under way is not part of the medium. Nothing happens when the drive is held by another grant, or free.
 */
export function releaseVirtualDrive(options: {
  readonly libraryDir: string;
  readonly driveIndex: number;
  readonly grantId: string;
}): void {
  const { libraryDir, driveIndex, grantId } = options;
  const database = LibraryDatabase.open(databasePath(libraryDir));
  try {
    database.transaction(() => {
      const row = database.drive(driveIndex);
      if (row?.grantId === grantId) database.clearDriveHolder(driveIndex, row.epoch);
    });
  } finally {
    database.close();
  }
}

class FileDrive implements VirtualDrive {
  readonly #database: LibraryDatabase;
  readonly #token: string;
  readonly #options: OpenVirtualDriveOptions;
  readonly #fence: Fence;
  #cartridge: Cartridge | null = null;
  #object = 0;
  #closed = false;

  constructor(database: LibraryDatabase, token: string, options: OpenVirtualDriveOptions) {
    this.#database = database;
    this.#token = token;
    this.#options = options;
    this.#fence = {
      epoch: options.owner.epoch,
      check: () => this.#checkOwner(),
      exclusively: (work) =>
        database.transaction(() => {
          this.#checkOwner();
          return work();
        }),
    };
  }

  #checkOwner(): void {
    if (this.#closed) throw new StatusError('mediaOpenError', 'the drive was closed by its owner');
    const { driveIndex, owner } = this.#options;
    if (this.#database.driveToken(driveIndex) === this.#token) return;
    const detail = `drive ${driveIndex} was taken from grant ${owner.grantId}`;
    throw new StatusError('staleGrant', detail, { epoch: String(owner.epoch) });
  }

  async loadState(): Promise<LoadState> {
    this.#checkOwner();
    const { libraryDir, driveIndex } = this.#options;
    const barcode = this.#database.barcodeInDrive(driveIndex);
    const needs = this.#strikes('cleaningRequired') ? { cleaningRequired: true } : {};
    const empty = { loaded: false, barcode, writeProtected: false, worm: false, ...needs };
    if (barcode === null) return empty;
    const info = readCartridgeInfo(cartridgePath(libraryDir, barcode));
    if (info.kind === 'cleaning') return { ...empty, cleaning: true };
    const { writeProtected, worm } = info;
    const ejected = this.#database.drive(driveIndex)?.ejected || this.#strikes('notReady');
    if (ejected) return { ...empty, writeProtected, worm };
    const suspect = this.#loadedCartridge().suspect !== null;
    return { loaded: true, barcode, writeProtected: writeProtected || suspect, worm, ...needs };
  }

  async tapeAlerts(): Promise<readonly number[]> {
    this.#checkOwner();
    if (this.#strikes('cleaningRequired')) this.#raise(TAPE_ALERT.cleanNow);
    const { driveIndex } = this.#options;
    return this.#database.transaction(() => this.#database.takeAlerts(driveIndex));
  }

  /** A flag is worth no failure of its own. */
  #raise(flag: number | null): void {
    if (flag === null) return;
    try {
      this.#database.raiseAlert(this.#options.driveIndex, flag);
    } catch {
      // A full disk: the failure that the flag goes with is told all the same.
    }
  }

  #strikes(kind: FaultKind): boolean {
    if (!this.#database.faulty) return false;
    const { driveIndex } = this.#options;
    const barcode = this.#database.barcodeInDrive(driveIndex);
    return this.#database.strikes([`drive ${driveIndex}`, `cartridge ${barcode}`], kind);
  }

  /** Runs a call on the medium: a fault that sits there strikes before it, and a failure raises its flag. */
  #onMedium<T>(fault: CallFault, work: () => T): T {
    try {
      if (this.#strikes(fault)) throw driveFault(fault);
      return work();
    } catch (error) {
      this.#raise(alertOf(error, this.#cartridge?.info.worm ?? false));
      throw error;
    }
  }

  async blockLimits(): Promise<BlockLimits> {
    return BLOCK_LIMITS;
  }

  async readBlock(into: Uint8Array): Promise<ReadResult> {
    return this.readBlockSync(into);
  }

  readBlockSync(into: Uint8Array): ReadResult {
    const cartridge = this.#loadedCartridge();
    if (this.#object >= cartridge.map.objectCount) {
      this.#fence.check();
      if (cartridge.suspect === null) return { kind: 'endOfData' };
      throw new StatusError('mediaReadError', `${cartridge.info.barcode}: ${cartridge.suspect}`);
    }
    // Also when reading fails: the damaged block is behind us.
    this.#object += 1;
    return this.#onMedium('readFails', () =>
      orMediaFailure('mediaReadError', () => cartridge.read(this.#object - 1, into)),
    );
  }

  async writeBlocks(blocks: readonly WriteBlock[]): Promise<WriteResult> {
    return this.writeBlocksSync(blocks);
  }

  writeBlocksSync(blocks: readonly WriteBlock[]): WriteResult {
    const records = blocks.map((block) => ({ block, bytes: checkedBlockLength(block) }));
    return this.#write(records);
  }

  async writeFilemarks(count: number, mode: FilemarkMode): Promise<WriteResult> {
    return this.writeFilemarksSync(count, mode);
  }

  writeFilemarksSync(count: number, mode: FilemarkMode): WriteResult {
    checkFilemarkCount(count);
    const result = this.#write(Array.from({ length: count }, (): NewRecord => 'filemark'));
    const cartridge = this.#loadedCartridge();
    if (mode === 'sync') orMediaFailure('mediaWriteError', () => cartridge.syncTape());
    return result;
  }

  #write(records: readonly NewRecord[]): WriteResult {
    return this.#onMedium('writeFails', () => this.#append(records));
  }

  #append(records: readonly NewRecord[]): WriteResult {
    const cartridge = this.#writableCartridge(records.length);
    const before = Math.min(this.#object, cartridge.map.objectCount);
    try {
      const result = orMediaFailure('mediaWriteError', () => cartridge.write(before, records));
      this.#object = before + result.written;
      const distance = this.#options.programmableEarlyWarningBytes;
      if (distance === undefined) return result;
      const { info, map } = cartridge;
      const warned = map.usedBytes >= info.capacityBytes - distance;
      return { ...result, programmableEarlyWarning: warned || result.earlyWarning };
    } catch (error) {
      this.#object = cartridge.map.objectCount;
      throw error;
    }
  }

  async locate(target: LocateTarget): Promise<void> {
    const cartridge = this.#movableCartridge();
    if (this.#strikes('positionFails')) throw driveFault('positionFails');
    this.#object = resolveTarget(cartridge.map, target);
  }

  async spaceFilemarks(count: number): Promise<SpaceResult> {
    checkSpaceCount(count);
    const { map } = this.#movableCartridge();
    const { object, ...result } = spaceOverFilemarks(map, this.#object, count);
    this.#object = object;
    return result;
  }

  async spaceBlocks(count: number): Promise<SpaceResult> {
    checkSpaceCount(count);
    const { map } = this.#movableCartridge();
    const { object, ...result } = spaceOverBlocks(map, this.#object, count);
    this.#object = object;
    return result;
  }

  async position(): Promise<Position> {
    this.#fence.check();
    const { map } = this.#loadedCartridge();
    const file = map.filemarksBefore(this.#object);
    return { object: this.#object, file, block: this.#object - (map.startOfFile(file) as number) };
  }

  async rewind(): Promise<void> {
    this.#movableCartridge();
    if (this.#strikes('positionFails')) throw driveFault('positionFails');
    this.#object = 0;
  }

  async erase(): Promise<void> {
    this.#onMedium('writeFails', () => {
      const cartridge = this.#writableCartridge(1);
      orMediaFailure('mediaWriteError', () => cartridge.erase(this.#object));
    });
  }

  async capacity(): Promise<Capacity | null> {
    this.#fence.check();
    const { info, map } = this.#loadedCartridge();
    return { capacityBytes: info.capacityBytes, usedBytes: map.usedBytes };
  }

  async unload(): Promise<void> {
    const { driveIndex } = this.#options;
    this.#movableCartridge();
    if (this.#strikes('unloadFails')) throw driveFault('unloadFails');
    orMediaFailure('mediaCloseError', () => {
      this.#letGo();
      this.#fence.exclusively(() => this.#database.setEjected(driveIndex, 1));
    });
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    orMediaFailure('mediaCloseError', () => {
      try {
        this.#letGo();
      } finally {
        this.#giveBack();
      }
    });
  }

  #giveBack(): void {
    const { driveIndex, owner } = this.#options;
    try {
      this.#database.transaction(() => {
        const ours = this.#database.driveToken(driveIndex) === this.#token;
        if (ours) this.#database.clearDriveHolder(driveIndex, owner.epoch);
      });
    } finally {
      this.#closed = true;
      this.#database.close();
    }
  }

  #letGo(): void {
    const cartridge = this.#cartridge;
    this.#cartridge = null;
    this.#object = 0;
    cartridge?.release();
  }

  /** The cartridge in the drive, loaded when it is not yet: the robot may have brought it after the drive was opened. */
  #loadedCartridge(): Cartridge {
    if (this.#strikes('notReady')) throw driveFault('notReady');
    this.#cartridge ??= this.#onMedium('loadFails', () => this.#load());
    return this.#cartridge;
  }

  #load(): Cartridge {
    this.#checkOwner();
    const { libraryDir, driveIndex } = this.#options;
    const barcode = this.#database.barcodeInDrive(driveIndex);
    if (barcode === null || this.#database.drive(driveIndex)?.ejected) {
      throw new StatusError('driveNotReady', `no tape is loaded in drive ${driveIndex}`);
    }
    const dir = cartridgePath(libraryDir, barcode);
    const load = () => new Cartridge(dir, this.#fence, this.#options);
    const cartridge = orMediaFailure('mediaOpenError', load);
    if (cartridge.suspect !== null) {
      this.#raise(TAPE_ALERT.media);
      this.#raise(TAPE_ALERT.directoryInvalidAtUnload);
    }
    return cartridge;
  }

  #movableCartridge(): Cartridge {
    const cartridge = this.#loadedCartridge();
    this.#fence.check();
    orMediaFailure('mediaPositionError', () => cartridge.sync());
    return cartridge;
  }

  #writableCartridge(records: number): Cartridge {
    const cartridge = this.#loadedCartridge();
    const { info, suspect, map } = cartridge;
    if (info.writeProtected || suspect !== null) {
      const why = suspect ?? 'the cartridge is write-protected';
      throw new StatusError('writeProtected', `${info.barcode}: ${why}`);
    }
    if (info.worm && records > 0 && this.#object < map.objectCount) {
      throw new StatusError('writeProtected', `${info.barcode} is write-once and has data here`);
    }
    return cartridge;
  }
}
