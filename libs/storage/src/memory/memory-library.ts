// A library in memory, for tests: the same elements, rules and fence as the virtual library on files.

import { StatusError } from '@tapestry/status';
import type { Drive, DriveOwner } from '../drive.ts';
import { type ElementLayout, elementPlaces, FIRST_ADDRESS } from '../element-layout.ts';
import type { Library, LibraryElement, LibraryIdentity, MoveOptions } from '../library.ts';
import { type MemoryBay, MemoryDrive } from './memory-drive.ts';
import { type MemoryCartridge, MemoryMedium } from './memory-medium.ts';

export interface MemoryLibraryOptions extends ElementLayout {
  /** Put into the slots in this order. */
  readonly cartridges: readonly MemoryCartridge[];
}

export interface MemoryLibrary extends Library {
  /** Opens a drive under the rules of `openVirtualDrive`; a `MemoryDrive` that is not closed counts as alive. */
  openDrive(driveIndex: number, owner: DriveOwner): Promise<Drive>;
}

class Bay implements MemoryBay {
  medium: MemoryMedium | null = null;
  ejected = false;
  sourceAddress: number | null = null;
  epoch = 0n;
  #owner: MemoryDrive | null = null;

  get owned(): boolean {
    return this.#owner !== null;
  }

  holds(drive: MemoryDrive): boolean {
    return this.#owner === drive;
  }

  release(drive: MemoryDrive): void {
    if (this.#owner === drive) this.#owner = null;
  }

  claim(owner: DriveOwner): MemoryDrive {
    this.#checkEpoch(owner);
    this.epoch = owner.epoch;
    const drive = new MemoryDrive(this);
    this.#owner = drive;
    return drive;
  }

  /** Ends the rights of the owner, if the fence is higher. */
  fence(owner: DriveOwner): void {
    this.#checkEpoch(owner);
    this.epoch = owner.epoch;
    this.#owner = null;
  }

  #checkEpoch(owner: DriveOwner): void {
    if (owner.epoch < this.epoch) {
      throw new StatusError('staleGrant', `the drive was opened under epoch ${this.epoch}`);
    }
    if (owner.epoch === this.epoch && this.owned) {
      throw new StatusError('mediaInUse', 'the drive has a live owner of the same epoch');
    }
  }
}

/** Makes a library whose cartridges are empty. */
export function createMemoryLibrary(options: MemoryLibraryOptions): MemoryLibrary {
  const places = elementPlaces(options);
  const bays = new Map(places.map((place) => [place.address, new Bay()]));
  const slots = places.filter((place) => place.type === 'slot');
  options.cartridges.forEach((cartridge, i) => {
    const slot = slots[i];
    if (!slot) throw new StatusError('invalidParameter', 'more cartridges than slots');
    (bays.get(slot.address) as Bay).medium = new MemoryMedium(cartridge);
  });

  const bayAt = (address: number): Bay => {
    const bay = bays.get(address);
    if (!bay) throw new StatusError('invalidParameter', `no element has address ${address}`);
    return bay;
  };
  const inventory = async (): Promise<readonly LibraryElement[]> =>
    places.map((place) => {
      const bay = bayAt(place.address);
      return {
        ...place,
        full: bay.medium !== null,
        barcode: bay.medium?.cartridge.barcode ?? null,
        sourceAddress: bay.sourceAddress,
        accessible: !bay.owned || bay.ejected,
        driveSerial: place.type === 'drive' ? `MEMORY${place.index}` : null,
      };
    });

  return {
    identity: async (): Promise<LibraryIdentity> => ({
      vendor: 'TAPESTRY',
      product: 'MEMORY LIBRARY',
      serial: 'MEMORY',
    }),
    inventory,
    rescan: inventory,
    move: async (from: number, to: number, moveOptions: MoveOptions = {}) => {
      const source = bayAt(from);
      const destination = bayAt(to);
      if (to === FIRST_ADDRESS.robot) {
        throw new StatusError('invalidParameter', 'the robot is no place to leave a cartridge');
      }
      if (!source.medium) throw new StatusError('slotEmpty', `element ${from} is empty`);
      if (destination.medium) throw new StatusError('notMountable', `element ${to} is full`);
      if (source.owned && !source.ejected) {
        if (!moveOptions.fence) throw new StatusError('mediaInUse', `drive ${from} has an owner`);
        source.fence(moveOptions.fence);
      }
      destination.medium = source.medium;
      destination.ejected = false;
      destination.sourceAddress = from;
      source.medium = null;
      source.sourceAddress = null;
      source.ejected = false;
    },
    close: async () => {},
    openDrive: async (driveIndex: number, owner: DriveOwner) => {
      const place = places.find(({ type, index }) => type === 'drive' && index === driveIndex);
      if (!place) throw new StatusError('mediaOpenError', `the library has no drive ${driveIndex}`);
      return bayAt(place.address).claim(owner);
    },
  };
}
