// The Drive port over a SCSI tape drive. What a drive can do is found out by asking it, once a medium is in; what it says
// of its position is believed only where it makes sense.

import { StatusError, type StatusName } from '@tapestry/status';
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
} from '@tapestry/storage';
import { IscsiError, toStatusError } from '../iscsi-error.ts';
import { describeSense, SENSE_KEY, type Sense } from '../scsi/sense.ts';
import * as spc from '../scsi/spc.ts';
import * as ssc from '../scsi/ssc.ts';
import type { ScsiTransport } from '../scsi/transport.ts';
import { totalBytes } from '../wire/parts.ts';
import { unload } from './cartridge-eject.ts';
import { Reservation } from './reservation.ts';
import { openTapeMedium, type TapeMedium } from './tape-medium.ts';
import { TAPE_TIMEOUTS, type TapeTimeouts, TapeUnit } from './tape-unit.ts';

export interface TapeDriveOptions {
  readonly transport: ScsiTransport;
  readonly owner: DriveOwner;
  readonly timeouts?: Partial<TapeTimeouts>;
  /** False: a drive whose nexus was lost stays lost, since somebody else may have it by now. Default true. */
  readonly rejoins?: boolean;
  /** Called once, when the drive is given back: to end the session that carries the transport. */
  readonly onClose?: () => Promise<void>;
}

const LOG_BYTES = 512;
const CLEANING = 0x3003;
const NEEDS_LOAD = 0x0402;
const FILEMARKS_MAX = 0xff_ffff;

/**
 * Reserves the drive for its owner where the device can (persistent reservations), so that an earlier owner is shut out
 * by the device. Throws `staleGrant`, `mediaInUse`, or what the transport has: `cannotConnect`, `accessDenied`, ….
 */
export async function openTapeDrive(options: TapeDriveOptions): Promise<Drive> {
  const drive = new TapeDrive(options);
  try {
    await drive.open();
    return drive;
  } catch (error) {
    await options.onClose?.();
    throw error;
  }
}

class TapeDrive implements Drive {
  readonly #unit: TapeUnit;
  readonly #reservation: Reservation;
  readonly #onClose: () => Promise<void>;
  readonly #rejoins: boolean;
  #medium: TapeMedium | null = null;
  /** Written behind the last sync. */
  #isDirty = false;
  #isPastWarning = false;
  /** By us, and not seen to be taken out since. */
  #isEjected = false;
  #isFenced = false;
  #isClosed = false;

  constructor({ transport, owner, timeouts, rejoins, onClose }: TapeDriveOptions) {
    const all = { ...TAPE_TIMEOUTS, ...timeouts };
    this.#unit = new TapeUnit(transport, all, (what) => {
      if (what === 'fenced') this.#isFenced = true;
      // Whoever relied on the position of the medium before must not go on as if nothing had been.
      else if (what !== 'modeChanged') this.#medium?.positioning.lose();
      // A reset forgets the modes as well.
      if (what !== 'fenced') this.#medium?.age();
    });
    this.#reservation = new Reservation(this.#unit.device, owner, all.shortMs);
    this.#onClose = onClose ?? (async () => {});
    this.#rejoins = rejoins ?? true;
  }

  async open(): Promise<void> {
    await this.#unit.attach();
    const inquiry = await this.#unit.query(spc.inquiry(), spc.INQUIRY_BYTES);
    const { deviceType } = spc.parseInquiry(inquiry ?? Buffer.alloc(0));
    if (deviceType !== spc.DEVICE_TYPE.tape) {
      throw new StatusError(
        'invalidParameter',
        `the unit is no tape drive but of type ${deviceType}`,
      );
    }
    await this.#reservation.take();
    this.#isFenced = false;
  }

  async loadState(): Promise<LoadState> {
    await this.#attached();
    const notReady = await this.#readiness();
    if (this.#isFenced) throw fenced();
    if (notReady) {
      this.#medium = null;
      const empty = { loaded: false, barcode: null, writeProtected: false, worm: false };
      return notReady.code === CLEANING ? { ...empty, cleaning: true } : empty;
    }
    const { barcode, writeProtected, worm } = await this.#opened();
    const page = await this.#logPage(ssc.LOG_PAGE.sequentialAccess);
    const cleaningRequired = page !== null && ssc.parseCleaningRequired(page);
    const wishes = cleaningRequired ? { cleaningRequired } : {};
    return { loaded: true, barcode, writeProtected, worm, ...wishes };
  }

  async blockLimits(): Promise<BlockLimits> {
    return (await this.#opened()).limits;
  }

  async readBlock(into: Uint8Array): Promise<ReadResult> {
    const medium = await this.#opened('mediaReadError');
    if (into.length === 0) throw new StatusError('invalidParameter', 'a buffer of no bytes');
    await this.#flush();
    await medium.positioning.require();
    return medium.reader.read(into);
  }

  async writeBlocks(blocks: readonly WriteBlock[]): Promise<WriteResult> {
    const medium = await this.#opened('mediaWriteError');
    const sizes = blocks.map(({ parts }) => totalBytes(parts));
    const { minBytes, maxBytes } = medium.limits;
    for (const bytes of sizes) {
      if (bytes < minBytes || bytes > maxBytes) {
        throw new StatusError('invalidParameter', `a block of ${bytes} bytes`, {
          minBytes,
          maxBytes,
        });
      }
    }
    if (blocks.length === 0) return { written: 0, earlyWarning: false, endOfMedium: false };
    await medium.positioning.require();
    const wasPastWarning = this.#isPastWarning;
    let earlyWarning = false;
    for (const [written, block] of blocks.entries()) {
      const { sense } = await this.#unit.write(block.parts, sizes[written] ?? 0);
      const end = this.#noteWritten(sense);
      if (end.endOfMedium) return { written, earlyWarning: true, endOfMedium: true };
      medium.positioning.cut();
      medium.positioning.passedBlock();
      earlyWarning ||= end.earlyWarning;
      if (end.earlyWarning && !wasPastWarning) {
        return { written: written + 1, earlyWarning, endOfMedium: false };
      }
    }
    return { written: blocks.length, earlyWarning, endOfMedium: false };
  }

  async writeFilemarks(count: number, mode: FilemarkMode): Promise<WriteResult> {
    const medium = await this.#opened('mediaWriteError');
    if (!Number.isInteger(count) || count < 0 || count > FILEMARKS_MAX) {
      throw new StatusError('invalidParameter', `${count} filemarks`);
    }
    if (count === 0) {
      if (mode === 'sync') await this.#flush();
      return { written: 0, earlyWarning: false, endOfMedium: false };
    }
    await medium.positioning.require();
    const { sense } = await this.#unit.writeFilemarks(count, mode === 'buffered');
    const { earlyWarning, endOfMedium } = this.#noteWritten(sense);
    const missing = endOfMedium ? Math.min(count, Math.max(0, sense?.information ?? count)) : 0;
    const written = count - missing;
    if (written > 0) medium.positioning.cut();
    for (let i = 0; i < written; i++) medium.positioning.passedFilemark();
    if (mode === 'sync' && !endOfMedium) this.#isDirty = false;
    return { written, earlyWarning, endOfMedium };
  }

  async locate(target: LocateTarget): Promise<void> {
    const { positioning } = await this.#moving();
    await positioning.locate(target);
  }

  async spaceFilemarks(count: number): Promise<SpaceResult> {
    const { positioning } = await this.#moving();
    return positioning.spaceFilemarks(checkedCount(count));
  }

  async spaceBlocks(count: number): Promise<SpaceResult> {
    const { positioning } = await this.#moving();
    return positioning.spaceBlocks(checkedCount(count));
  }

  async position(): Promise<Position> {
    return (await this.#opened()).positioning.position();
  }

  async rewind(): Promise<void> {
    const { positioning } = await this.#moving();
    await positioning.rewind();
  }

  async erase(how: 'short' | 'long' = 'short'): Promise<void> {
    const { positioning } = await this.#opened();
    await positioning.require();
    await this.#unit.erase(how === 'long');
    positioning.cut();
    this.#isDirty = true;
    await this.#flush();
  }

  async capacity(): Promise<Capacity | null> {
    await this.#opened();
    const page = await this.#logPage(ssc.LOG_PAGE.capacity);
    const parsed = page && ssc.parseCapacity(page);
    if (!parsed) return null;
    const { maxMib, remainingMib } = parsed;
    const mib = 1024 * 1024;
    return { capacityBytes: maxMib * mib, usedBytes: Math.max(0, maxMib - remainingMib) * mib };
  }

  async tapeAlerts(): Promise<readonly number[]> {
    await this.#attached();
    const page = await this.#logPage(ssc.LOG_PAGE.tapeAlert);
    return page ? ssc.parseTapeAlert(page) : [];
  }

  async unload(): Promise<void> {
    await this.#moving();
    await this.#unit.set(spc.preventRemoval(false));
    await unload(this.#unit);
    this.#isEjected = true;
    this.#medium = null;
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    try {
      await this.#flush();
    } finally {
      await this.#giveBack();
    }
  }

  /** A cartridge that the robot brought and the drive did not load by itself is loaded; one that we ejected is not. */
  async #readiness(): Promise<Sense | null> {
    const notReady = await this.#unit.testUnitReady();
    if (notReady === null || notReady.code !== NEEDS_LOAD || this.#isEjected) {
      if (notReady?.code !== NEEDS_LOAD) this.#isEjected = false;
      return notReady;
    }
    await this.#unit.load();
    return this.#unit.testUnitReady();
  }

  /** Null for a page that the drive does not have. */
  async #logPage(page: number): Promise<ReadonlyMap<number, Buffer> | null> {
    const data = await this.#unit.query(spc.logSense(page, LOG_BYTES), LOG_BYTES);
    return data && spc.parseLogPage(page, data);
  }

  /** Whatever became of the last flush. */
  async #giveBack(): Promise<void> {
    try {
      if (this.#isFenced) throw fenced();
      if (this.#medium) await this.#unit.set(spc.preventRemoval(false));
      await this.#reservation.release();
    } finally {
      this.#medium = null;
      await this.#onClose();
    }
  }

  /** After a lost nexus: the drive has forgotten modes and prevention, and may have been anybody's. */
  async #attached(failure: StatusName = 'mediaPositionError'): Promise<void> {
    if (this.#isFenced) throw fenced();
    if (!this.#unit.device.isDetached) return;
    if (!this.#rejoins) throw toStatusError(connectionLost(), failure);
    this.#medium?.positioning.lose();
    this.#medium?.age();
    await this.#unit.attach('mediaOpenError');
    await this.#reservation.take();
  }

  async #opened(failure?: StatusName): Promise<TapeMedium> {
    if (this.#isClosed) throw new StatusError('mediaCloseError', 'the drive was closed');
    await this.#attached(failure);
    if (this.#medium === null) {
      const notReady = await this.#unit.testUnitReady();
      if (notReady) throw new StatusError('driveNotReady', describeSense(notReady));
      this.#isDirty = false;
      this.#isPastWarning = false;
    }
    if (this.#medium === null || this.#medium.isAged) {
      this.#medium = await openTapeMedium(this.#unit, this.#medium);
    }
    return this.#medium;
  }

  /** Before the tape leaves the end of what was written. */
  async #moving(): Promise<TapeMedium> {
    const medium = await this.#opened();
    await this.#flush();
    this.#isPastWarning = false;
    return medium;
  }

  async #flush(): Promise<void> {
    if (!this.#isDirty) return;
    this.#isDirty = false;
    await this.#unit.writeFilemarks(0, false);
  }

  #noteWritten(sense: Sense | null): { earlyWarning: boolean; endOfMedium: boolean } {
    const endOfMedium = sense?.key === SENSE_KEY.volumeOverflow;
    const earlyWarning = endOfMedium || (sense?.endOfMedium ?? false);
    this.#isPastWarning ||= earlyWarning;
    this.#isDirty ||= !endOfMedium;
    return { earlyWarning, endOfMedium };
  }
}

function checkedCount(count: number): number {
  if (!Number.isSafeInteger(count))
    throw new StatusError('invalidParameter', `a count of ${count}`);
  return count;
}

function connectionLost(): IscsiError {
  return new IscsiError('nexusLost', 'the connection to the drive was lost');
}

function fenced(): StatusError {
  return new StatusError('staleGrant', 'another owner has taken the drive over');
}
