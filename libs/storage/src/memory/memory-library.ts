// A library in memory, for tests: the same elements, rules and fence as the virtual library on files.

import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '@tapestry/status';
import type { Drive, DriveOwner } from '../drive.ts';
import {
  type ElementLayout,
  type ElementPlace,
  elementPlaces,
  FIRST_ADDRESS,
} from '../element-layout.ts';
import { type Fault, type FaultKind, type FaultPlace, strike } from '../faults.ts';
import type { Library, LibraryElement, LibraryIdentity, MoveOptions } from '../library.ts';
import { TAPE_ALERT } from '../tape-alert.ts';
import { type MemoryBay, MemoryDrive } from './memory-drive.ts';
import { type MemoryCartridge, MemoryMedium } from './memory-medium.ts';

export interface MemoryLibraryOptions extends ElementLayout {
  /** Put into the slots in this order. */
  readonly cartridges: readonly MemoryCartridge[];
}

export interface MemoryLibrary extends Library {
  /** Opens a drive under the rules of `openVirtualDrive`; a `MemoryDrive` that is not closed counts as alive. */
  openDrive(driveIndex: number, owner: DriveOwner): Promise<Drive>;

  addFault(fault: Fault): Promise<void>;
  clearFaults(): Promise<void>;
}

type Strike = (places: readonly FaultPlace[], kind: FaultKind) => boolean;

class Bay implements MemoryBay {
  medium: MemoryMedium | null = null;
  ejected = false;
  sourceAddress: number | null = null;
  epoch = 0n;
  readonly alerts = new Set<number>();
  readonly #strike: Strike;
  #owner: MemoryDrive | null = null;

  constructor(strike: Strike) {
    this.#strike = strike;
  }

  strikes(kind: FaultKind): boolean {
    return this.#strike([`cartridge ${this.medium?.cartridge.barcode}`], kind);
  }

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
  return new InMemory(options);
}

class InMemory implements MemoryLibrary {
  readonly #places: readonly ElementPlace[];
  readonly #bays: ReadonlyMap<number, Bay>;
  #faults: readonly Fault[] = [];

  constructor(options: MemoryLibraryOptions) {
    this.#places = elementPlaces(options);
    const bays = this.#places.map(({ address, type, index }) => {
      const drive: FaultPlace[] = type === 'drive' ? [`drive ${index}`] : [];
      return [
        address,
        new Bay((places, kind) => this.#strikes([...drive, ...places], kind)),
      ] as const;
    });
    this.#bays = new Map(bays);
    const slots = this.#places.filter((place) => place.type === 'slot');
    options.cartridges.forEach((cartridge, i) => {
      const slot = slots[i];
      if (!slot) throw new StatusError('invalidParameter', 'more cartridges than slots');
      this.#bayAt(slot.address).medium = new MemoryMedium(cartridge);
    });
  }

  async identity(): Promise<LibraryIdentity> {
    return { vendor: 'TAPESTRY', product: 'MEMORY LIBRARY', serial: 'MEMORY' };
  }

  async inventory(): Promise<readonly LibraryElement[]> {
    this.#checkRobot();
    return this.#places.map((place) => {
      const bay = this.#bayAt(place.address);
      return {
        ...place,
        ...this.#looksLike(place.address, bay),
        accessible: !bay.owned || bay.ejected,
        driveSerial: place.type === 'drive' ? `MEMORY${place.index}` : null,
      };
    });
  }

  #looksLike(address: number, { medium, sourceAddress }: Bay) {
    const nothing = { full: false, barcode: null, sourceAddress: null, medium: null };
    if (this.#strikes([`element ${address}`], 'looksEmpty')) return nothing;
    if (this.#strikes([`element ${address}`], 'looksFull')) {
      return { ...nothing, full: true, medium: 'data' as const };
    }
    if (!medium) return { ...nothing, sourceAddress };
    const { barcode, kind, worm } = medium.cartridge;
    return {
      ...{ full: true, sourceAddress },
      barcode: this.#strikes([`cartridge ${barcode}`], 'unreadableBarcode') ? null : barcode,
      medium: kind === 'cleaning' ? kind : worm ? ('worm' as const) : ('data' as const),
    };
  }

  async rescan(): Promise<readonly LibraryElement[]> {
    return this.inventory();
  }

  async move(from: number, to: number, options: MoveOptions = {}): Promise<void> {
    this.#checkRobot();
    const slow = this.#struckBy(['robot'], 'slow');
    if (slow) await sleep(slow.delayMs ?? 0);
    const jammed = new StatusError('robotDown', 'the robot is stuck');
    if (this.#strikes(['robot'], 'jam')) throw jammed;
    this.#move(from, to, options);
    if (this.#strikes(['robot'], 'jamBehindMove')) throw jammed;
  }

  #move(from: number, to: number, options: MoveOptions): void {
    const source = this.#bayAt(from);
    const destination = this.#bayAt(to);
    if (to === FIRST_ADDRESS.robot) {
      throw new StatusError('invalidParameter', 'the robot is no place to leave a cartridge');
    }
    if (!source.medium) throw new StatusError('slotEmpty', `element ${from} is empty`);
    if (destination.medium) throw new StatusError('notMountable', `element ${to} is full`);
    if (source.owned && !source.ejected) {
      if (!options.fence) throw new StatusError('mediaInUse', `drive ${from} has an owner`);
      source.fence(options.fence);
    }
    destination.medium = source.medium;
    destination.ejected = false;
    destination.sourceAddress = from;
    source.medium = null;
    source.sourceAddress = null;
    source.ejected = false;
    const place = this.#places.find(({ address }) => address === to);
    if (place?.type === 'drive') this.#load(place.index, destination);
  }

  #load(driveIndex: number, bay: Bay): void {
    bay.alerts.clear();
    const medium = bay.medium as MemoryMedium;
    const { kind, cleanings = 50 } = medium.cartridge;
    if (kind !== 'cleaning') return;
    bay.ejected = true;
    if (medium.cleaned >= cleanings) {
      bay.alerts.add(TAPE_ALERT.expiredCleaningMedia);
      return;
    }
    medium.cleaned += 1;
    bay.alerts.add(TAPE_ALERT.cleaningMedia);
    this.#faults = this.#faults.filter(
      (fault) => fault.kind !== 'cleaningRequired' || fault.place !== `drive ${driveIndex}`,
    );
  }

  async addFault(fault: Fault): Promise<void> {
    this.#faults = [...this.#faults, fault];
  }

  async clearFaults(): Promise<void> {
    this.#faults = [];
  }

  #strikes(places: readonly FaultPlace[], kind: FaultKind): boolean {
    return this.#struckBy(places, kind) !== null;
  }

  #struckBy(places: readonly FaultPlace[], kind: FaultKind): Fault | null {
    const { struck, left } = strike(this.#faults, places, kind);
    this.#faults = left;
    return struck;
  }

  #checkRobot(): void {
    if (!this.#strikes(['robot'], 'doorOpen')) return;
    throw new StatusError('robotDown', 'the door of the library is open');
  }

  #bayAt(address: number): Bay {
    const bay = this.#bays.get(address);
    if (!bay) throw new StatusError('invalidParameter', `no element has address ${address}`);
    return bay;
  }

  readonly openDrive = async (driveIndex: number, owner: DriveOwner): Promise<Drive> => {
    const place = this.#places.find(({ type, index }) => type === 'drive' && index === driveIndex);
    if (!place) throw new StatusError('mediaOpenError', `the library has no drive ${driveIndex}`);
    return this.#bayAt(place.address).claim(owner);
  };

  async close(): Promise<void> {}
}
