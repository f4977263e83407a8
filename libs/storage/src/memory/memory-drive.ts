// A drive in memory, for tests. Obeys the whole contract of Drive, fence included; nothing outlives the process.

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
import { TAPE_ALERT } from '../tape-alert.ts';
import type { MediumObject, MemoryMedium } from './memory-medium.ts';

/** What the drive needs from its bay in the library: the cartridge, whether it is ejected, and who may use it. */
export interface MemoryBay {
  readonly medium: MemoryMedium | null;
  ejected: boolean;
  holds(drive: MemoryDrive): boolean;
  release(drive: MemoryDrive): void;
  strikes(kind: FaultKind): boolean;
  readonly alerts: Set<number>;
}

export class MemoryDrive implements Drive {
  readonly #bay: MemoryBay;
  #object = 0;
  #closed = false;

  constructor(bay: MemoryBay) {
    this.#bay = bay;
  }

  async loadState(): Promise<LoadState> {
    this.#checkOwner();
    const { medium, ejected } = this.#bay;
    const needs = this.#bay.strikes('cleaningRequired') ? { cleaningRequired: true } : {};
    const { barcode = null, writeProtected = false, worm = false } = medium?.cartridge ?? {};
    const state = { barcode, writeProtected, worm, ...needs };
    if (medium?.cartridge.kind === 'cleaning') return { ...state, loaded: false, cleaning: true };
    const loaded = medium !== null && !ejected && !this.#bay.strikes('notReady');
    return { ...state, loaded };
  }

  async tapeAlerts(): Promise<readonly number[]> {
    this.#checkOwner();
    const { alerts } = this.#bay;
    if (this.#bay.strikes('cleaningRequired')) alerts.add(TAPE_ALERT.cleanNow);
    const raised = [...alerts].sort((a, b) => a - b);
    alerts.clear();
    return raised;
  }

  /** Runs a call on the medium: a fault that sits there strikes before it, and a failure raises its flag. */
  #onMedium<T>(fault: CallFault, work: () => T): T {
    try {
      if (this.#bay.strikes(fault)) throw driveFault(fault);
      return work();
    } catch (error) {
      const flag = alertOf(error, this.#bay.medium?.cartridge.worm ?? false);
      if (flag !== null) this.#bay.alerts.add(flag);
      throw error;
    }
  }

  async blockLimits(): Promise<BlockLimits> {
    return BLOCK_LIMITS;
  }

  async readBlock(into: Uint8Array): Promise<ReadResult> {
    const found = this.#medium().at(this.#object);
    if (found === undefined) return { kind: 'endOfData' };
    this.#object += 1;
    this.#onMedium('readFails', () => undefined);
    if (found === 'filemark') return { kind: 'filemark' };
    into.set(found.subarray(0, into.length));
    if (found.length > into.length) return { kind: 'oversize', lengthBytes: found.length };
    return { kind: 'block', lengthBytes: found.length, crc32: null };
  }

  async writeBlocks(blocks: readonly WriteBlock[]): Promise<WriteResult> {
    for (const block of blocks) checkedBlockLength(block);
    return this.#append(blocks.map((block) => Uint8Array.from(Buffer.concat([...block.parts]))));
  }

  async writeFilemarks(count: number, _mode: FilemarkMode): Promise<WriteResult> {
    checkFilemarkCount(count);
    return this.#append(Array.from({ length: count }, (): MediumObject => 'filemark'));
  }

  #append(objects: readonly MediumObject[]): WriteResult {
    const medium = this.#onMedium('writeFails', () => this.#writableMedium(objects.length));
    if (objects.length > 0) medium.cut(this.#object);
    const warnedBefore = medium.pastEarlyWarning;
    let written = 0;
    for (const object of objects) {
      if (!medium.append(object)) return { written, earlyWarning: true, endOfMedium: true };
      written += 1;
      this.#object += 1;
      if (!warnedBefore && medium.pastEarlyWarning) break;
    }
    return { written, earlyWarning: medium.pastEarlyWarning, endOfMedium: false };
  }

  async locate(target: LocateTarget): Promise<void> {
    const medium = this.#medium();
    if (this.#bay.strikes('positionFails')) throw driveFault('positionFails');
    this.#object = resolveTarget(medium, target);
  }

  async spaceFilemarks(count: number): Promise<SpaceResult> {
    checkSpaceCount(count);
    return this.#space(count, (object) => object === 'filemark', null);
  }

  async spaceBlocks(count: number): Promise<SpaceResult> {
    checkSpaceCount(count);
    return this.#space(count, (object) => object !== 'filemark', 'filemark');
  }

  #space(
    count: number,
    counts: (object: MediumObject) => boolean,
    otherStops: 'filemark' | null,
  ): SpaceResult {
    const medium = this.#medium();
    let spaced = 0;
    while (spaced < Math.abs(count)) {
      const next = medium.at(count > 0 ? this.#object : this.#object - 1);
      if (next === undefined) {
        return { spaced, stoppedAt: count > 0 ? 'endOfData' : 'beginning' };
      }
      this.#object += Math.sign(count);
      if (counts(next)) spaced += 1;
      else if (otherStops !== null) return { spaced, stoppedAt: otherStops };
    }
    return { spaced, stoppedAt: null };
  }

  async position(): Promise<Position> {
    const medium = this.#medium();
    const file = medium.filemarksBefore(this.#object);
    const start = medium.startOfFile(file) ?? 0;
    return { object: this.#object, file, block: this.#object - start };
  }

  async rewind(): Promise<void> {
    this.#medium();
    if (this.#bay.strikes('positionFails')) throw driveFault('positionFails');
    this.#object = 0;
  }

  async erase(): Promise<void> {
    this.#onMedium('writeFails', () => this.#writableMedium(1)).cut(this.#object);
  }

  async capacity(): Promise<Capacity | null> {
    const medium = this.#medium();
    return { capacityBytes: medium.cartridge.capacityBytes, usedBytes: medium.usedBytes };
  }

  async unload(): Promise<void> {
    this.#medium();
    if (this.#bay.strikes('unloadFails')) throw driveFault('unloadFails');
    this.#object = 0;
    this.#bay.ejected = true;
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#bay.release(this);
  }

  #checkOwner(): void {
    if (this.#closed) throw new StatusError('mediaOpenError', 'the drive was closed by its owner');
    if (!this.#bay.holds(this)) {
      throw new StatusError('staleGrant', 'the drive was opened under a higher epoch');
    }
  }

  #medium(): MemoryMedium {
    this.#checkOwner();
    if (this.#bay.strikes('notReady')) throw driveFault('notReady');
    const { medium, ejected } = this.#bay;
    if (medium === null || ejected) throw new StatusError('driveNotReady', 'no tape is loaded');
    this.#onMedium('loadFails', () => undefined);
    return medium;
  }

  #writableMedium(objects: number): MemoryMedium {
    const medium = this.#medium();
    const { barcode, writeProtected, worm } = medium.cartridge;
    if (writeProtected) throw new StatusError('writeProtected', `${barcode} is write-protected`);
    if (worm && objects > 0 && this.#object < medium.objectCount) {
      throw new StatusError('writeProtected', `${barcode} is write-once and has data here`);
    }
    return medium;
  }
}

function resolveTarget(medium: MemoryMedium, target: LocateTarget): number {
  if (target === 'endOfData') return medium.objectCount;
  if ('object' in target) {
    if (target.object >= 0 && target.object <= medium.objectCount) return target.object;
    throw new StatusError('mediaPositionError', `no object ${target.object} on the medium`);
  }
  const start = medium.startOfFile(target.file);
  if (start !== null && target.block >= 0) {
    let object = start;
    while (object < start + target.block && medium.at(object) instanceof Uint8Array) object += 1;
    if (object === start + target.block) return object;
  }
  throw new StatusError(
    'mediaPositionError',
    `no block ${target.block} in file ${target.file} on the medium`,
  );
}
