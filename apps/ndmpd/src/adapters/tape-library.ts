// The virtual library as ndmpd offers it: its drives to the TAPE service, its robot to the SCSI service. One object for
// all sessions. A drive is claimed in the library while a session has it open; what a dead ndmpd held is free at once.

import {
  type CdbOrder,
  type CdbOutcome,
  type DeviceInfo,
  NDMP_ERROR,
  type Outcome,
  type ScsiDevice,
  type ScsiPort,
  TAPE_ATTR,
} from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';
import {
  FIRST_ADDRESS,
  type Library,
  type LibraryElement,
  openVirtualLibrary,
  releaseVirtualDrive,
} from '@tapestry/storage';
import { cdbAnswered, cdbError, cdbRefused } from '../core/cdb-order.ts';
import { changerStep, libraryRefusal } from '../core/changer.ts';
import { DEVICE_TYPE, type ScsiIdentity } from '../core/scsi-inquiry.ts';
import { good, type ScsiReply } from '../core/scsi-reply.ts';
import { CHANGER, DRIVES, driveName } from '../core/tape-names.ts';
import { TapePlaces } from '../core/tape-places.ts';
import type { DrivePlace } from '../core/tape-protocol.ts';

/** Throws `robotMissing` when there is no library in the folder. */
export async function openTapeLibrary(dir: string): Promise<TapeLibrary> {
  return new TapeLibrary(dir, await openVirtualLibrary(dir));
}

export class TapeLibrary {
  readonly dir: string;
  readonly #library: Library;
  #isChangerOpen = false;
  readonly robots: ScsiPort;
  /** Of the tapes in closed drives. */
  readonly places = new TapePlaces();

  constructor(dir: string, library: Library) {
    this.dir = dir;
    this.#library = library;
    this.robots = { list: () => this.#listChanger(), open: (name) => this.#openChanger(name) };
  }

  async close(): Promise<void> {
    await this.#library.close();
  }

  async #drives(): Promise<readonly LibraryElement[]> {
    return (await this.#library.inventory()).filter(({ type }) => type === 'drive');
  }

  /** The drive of that name; undefined when there is none. */
  async findDrive(device: string): Promise<DrivePlace | undefined> {
    const element = (await this.#drives()).find(({ index }) => driveName(index) === device);
    return element && { driveIndex: element.index, serial: element.driveSerial ?? '' };
  }

  /** A tape that the robot took or brought begins anew. */
  #moved(address: number): void {
    this.places.forget(address - FIRST_ADDRESS.drive);
  }

  /** Ends the hold of a thread that cannot give its drive back any more. */
  takeBack({ driveIndex }: DrivePlace, grantId: string): void {
    try {
      releaseVirtualDrive({ libraryDir: this.dir, driveIndex, grantId });
    } catch {
      // Who cannot reach the library any more holds nothing in it.
    }
  }

  async listDrives(): Promise<DeviceInfo[]> {
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
    const { vendor, product, serial } = await this.#library.identity();
    const capability = [{ name: 'SERIAL_NUMBER', value: serial }];
    return [
      { model: `${vendor} ${product}`, capabilities: [{ device: CHANGER, attr: 0, capability }] },
    ];
  }

  async #openChanger(device: string): ReturnType<ScsiPort['open']> {
    if (device !== CHANGER) return { error: NDMP_ERROR.noDevice };
    if (this.#isChangerOpen) return { error: NDMP_ERROR.deviceBusy };
    this.#isChangerOpen = true;
    const close = async (): Promise<void> => {
      this.#isChangerOpen = false;
    };
    const moved = (address: number): void => this.#moved(address);
    return { error: NDMP_ERROR.noError, device: new ChangerUnit(this.#library, { close, moved }) };
  }
}

interface ChangerOwner {
  close(): Promise<void>;
  /** The robot was at this element. */
  moved(address: number): void;
}

class ChangerUnit implements ScsiDevice {
  readonly #library: Library;
  readonly #owner: ChangerOwner;
  #isOpen = true;

  constructor(library: Library, owner: ChangerOwner) {
    this.#library = library;
    this.#owner = owner;
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
    else {
      await library.move(step.from, step.to);
      for (const address of [step.from, step.to]) this.#owner.moved(address);
    }
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
    if (this.#isOpen) await this.#owner.close();
    this.#isOpen = false;
  }
}
