// The virtual library as ndmpd offers it: its drives to the TAPE service, its robot to the SCSI service. One object for
// all sessions. A drive is claimed in the library while a session has it open; what a dead ndmpd held is free at once.

import { randomUUID } from 'node:crypto';
import {
  type CdbOrder,
  type CdbOutcome,
  type DeviceInfo,
  NDMP_ERROR,
  type Outcome,
  type ScsiDevice,
  type ScsiPort,
  TAPE_ATTR,
  TAPE_OPEN_MODE,
  type TapePort,
} from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';
import {
  type Drive,
  type DriveOwner,
  type Library,
  type LibraryElement,
  openVirtualDrive,
  openVirtualLibrary,
} from '@tapestry/storage';
import { cdbAnswered, cdbError, cdbRefused } from '../core/cdb-order.ts';
import { changerStep, libraryRefusal } from '../core/changer.ts';
import { DEVICE_TYPE, type ScsiIdentity } from '../core/scsi-inquiry.ts';
import { good, type ScsiReply } from '../core/scsi-reply.ts';
import { tapeErrorOf } from '../core/tape-errors.ts';
import { TapeUnit } from './tape-unit.ts';

export const CHANGER = 'changer0';
const DRIVES = { vendor: 'TAPESTRY', product: 'VIRTUAL DRIVE', revision: '0100' } as const;
/** All opens of ndmpd are equal: who has a drive keeps it until it lets go or dies. */
const EPOCH = 1n;

/** What of a library is needed here, so that one in memory serves as well. */
export interface TapeSource {
  readonly library: Library;
  openDrive(driveIndex: number, owner: DriveOwner): Promise<Drive>;
}

/** Throws `robotMissing` when there is no library in the folder. */
export async function virtualTapeSource(libraryDir: string): Promise<TapeSource> {
  const library = await openVirtualLibrary(libraryDir);
  const openDrive = (driveIndex: number, owner: DriveOwner): Promise<Drive> =>
    openVirtualDrive({ libraryDir, driveIndex, owner });
  return { library, openDrive };
}

export const driveName = (index: number): string => `drive${index}`;

export class TapeLibrary {
  readonly #source: TapeSource;
  #isChangerOpen = false;
  readonly tapes: TapePort;
  readonly robots: ScsiPort;

  constructor(source: TapeSource) {
    this.#source = source;
    this.tapes = { list: () => this.#listDrives(), open: (name, mode) => this.#open(name, mode) };
    this.robots = { list: () => this.#listChanger(), open: (name) => this.#openChanger(name) };
  }

  async close(): Promise<void> {
    await this.#source.library.close();
  }

  async #drives(): Promise<readonly LibraryElement[]> {
    return (await this.#source.library.inventory()).filter(({ type }) => type === 'drive');
  }

  async #listDrives(): Promise<DeviceInfo[]> {
    return (await this.#drives()).map(({ index, driveSerial }) => ({
      model: `${DRIVES.vendor} ${DRIVES.product}`,
      capabilities: [
        {
          device: driveName(index),
          attr: TAPE_ATTR.rawOpen,
          capability: [
            { name: 'EXECUTE_CDB', value: 't' },
            { name: 'SERIAL_NUMBER', value: driveSerial ?? '' },
          ],
        },
      ],
    }));
  }

  async #listChanger(): Promise<DeviceInfo[]> {
    const { vendor, product, serial } = await this.#source.library.identity();
    const capability = [{ name: 'SERIAL_NUMBER', value: serial }];
    return [
      { model: `${vendor} ${product}`, capabilities: [{ device: CHANGER, attr: 0, capability }] },
    ];
  }

  async #open(device: string, mode: number): ReturnType<TapePort['open']> {
    const element = (await this.#drives()).find(({ index }) => driveName(index) === device);
    if (element === undefined) return { error: NDMP_ERROR.noDevice };
    let drive: Drive | undefined;
    try {
      const owner = { grantId: `ndmpd ${randomUUID()}`, epoch: EPOCH };
      drive = await this.#source.openDrive(element.index, owner);
      const error = await mediumError(drive, mode);
      if (error === NDMP_ERROR.noError) return { error, drive: unitOf(drive, element) };
      await drive.close();
      return { error };
    } catch (error) {
      await drive?.close().catch(() => undefined);
      if (error instanceof StatusError) return { error: tapeErrorOf(error.status) };
      throw error;
    }
  }

  async #openChanger(device: string): ReturnType<ScsiPort['open']> {
    if (device !== CHANGER) return { error: NDMP_ERROR.noDevice };
    if (this.#isChangerOpen) return { error: NDMP_ERROR.deviceBusy };
    this.#isChangerOpen = true;
    const close = async (): Promise<void> => {
      this.#isChangerOpen = false;
    };
    return { error: NDMP_ERROR.noError, device: new ChangerUnit(this.#source.library, close) };
  }
}

function unitOf(drive: Drive, { driveSerial }: LibraryElement): TapeUnit {
  const serial = driveSerial ?? '';
  return new TapeUnit(drive, { ...DRIVES, deviceType: DEVICE_TYPE.tape, serial });
}

/** RAW opens a drive as it is; the other modes need a medium that can be used so. */
async function mediumError(drive: Drive, mode: number): Promise<number> {
  const { loaded, writeProtected } = await drive.loadState();
  if (mode === TAPE_OPEN_MODE.raw) return NDMP_ERROR.noError;
  if (!loaded) return NDMP_ERROR.noTapeLoaded;
  const isRefused = mode === TAPE_OPEN_MODE.readWrite && writeProtected;
  return isRefused ? NDMP_ERROR.writeProtect : NDMP_ERROR.noError;
}

class ChangerUnit implements ScsiDevice {
  readonly #library: Library;
  readonly #letGo: () => Promise<void>;
  #isOpen = true;

  constructor(library: Library, letGo: () => Promise<void>) {
    this.#library = library;
    this.#letGo = letGo;
  }

  async executeCdb(order: CdbOrder): Promise<CdbOutcome> {
    const error = cdbError(order);
    if (error !== undefined) return cdbRefused(error);
    try {
      return cdbAnswered(order, await this.#obey(order.cdb));
    } catch (cause) {
      if (!(cause instanceof StatusError)) throw cause;
      return cdbAnswered(order, libraryRefusal(cause.status));
    }
  }

  async #obey(cdb: Buffer): Promise<ScsiReply> {
    const library = this.#library;
    const step = changerStep(cdb, {
      identity: await this.#identity(),
      elements: await library.inventory(),
      drives: DRIVES,
    });
    if (step.do === 'reply') return step.reply;
    if (step.do === 'rescan') await library.rescan();
    else await library.move(step.from, step.to);
    return good();
  }

  async #identity(): Promise<ScsiIdentity> {
    const identity = await this.#library.identity();
    return { ...identity, deviceType: DEVICE_TYPE.changer, revision: DRIVES.revision };
  }

  /** The changer has no bus: these numbers mean nothing here. */
  async target() {
    return { error: NDMP_ERROR.notSupported, controller: 0, id: 0, lun: 0 };
  }

  async setTarget(): Promise<Outcome> {
    return { error: NDMP_ERROR.notSupported };
  }

  /** A library without a state of its own between two commands is always as after a reset. */
  async resetDevice(): Promise<Outcome> {
    return { error: NDMP_ERROR.noError };
  }

  async resetBus(): Promise<Outcome> {
    return { error: NDMP_ERROR.notSupported };
  }

  async close(): Promise<void> {
    if (this.#isOpen) await this.#letGo();
    this.#isOpen = false;
  }
}
