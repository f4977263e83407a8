// A tape library whose cartridges are folders of files: the embedded default. Moves are transactions on its database;
// a cartridge's data never moves. Opened by ltid, while other processes hold the drives.

import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { syncFile } from '../durable-file.ts';
import { type ElementLayout, elementPlaces } from '../element-layout.ts';
import type { Fault, FaultPlace } from '../faults.ts';
import type { Library, LibraryElement, LibraryIdentity, MoveOptions } from '../library.ts';
import { TAPE_ALERT } from '../tape-alert.ts';
import {
  type CartridgeSpec,
  createCartridge,
  readCartridgeInfo,
  readCartridgeMemory,
  writeCartridgeMemory,
} from './cartridge-info.ts';
import { checkClaim, hasLiveHolder } from './drive-claim.ts';
import { type ElementRow, LibraryDatabase } from './library-database.ts';
import { cartridgePath, cartridgesPath, databasePath } from './library-paths.ts';

export interface VirtualLibraryOptions extends ElementLayout {
  readonly dir: string;
  /** Put into the slots in this order. */
  readonly cartridges?: readonly CartridgeSpec[];
  /** Default: drawn at random. */
  readonly serial?: string;
}

export interface VirtualLibrary extends Library {
  /** Makes an empty cartridge in a free import/export element, else in a free slot; answers its address. */
  addCartridge(spec: CartridgeSpec): Promise<number>;

  /** For tests: the faults hold for every process that uses the library, until they are used up or cleared. */
  addFault(fault: Fault): Promise<void>;
  clearFaults(): Promise<void>;
}

/** Makes a library in a folder that is missing or empty, else throws `alreadyExists`. */
export async function createVirtualLibrary(options: VirtualLibraryOptions): Promise<void> {
  const { dir, cartridges = [] } = options;
  const serial = options.serial ?? randomUUID().slice(0, 8).toUpperCase();
  const places = elementPlaces(options);
  if (cartridges.length > options.slots) {
    throw new StatusError('invalidParameter', 'more cartridges than slots');
  }
  mkdirSync(cartridgesPath(dir), { recursive: true, mode: 0o750 });
  const path = databasePath(dir);
  if (existsSync(path)) throw new StatusError('alreadyExists', `there is a library in ${dir}`);
  for (const spec of cartridges) {
    // There is one when an earlier call died before it gave the library its name.
    const folder = cartridgePath(dir, spec.barcode);
    if (!existsSync(join(folder, 'cartridge.json'))) createCartridge(folder, spec, Date.now());
  }
  const placed = places.map((place) => {
    const barcode = place.type === 'slot' ? cartridges[place.index]?.barcode : undefined;
    return { ...place, barcode: barcode ?? null };
  });
  rmSync(`${path}.new`, { force: true });
  LibraryDatabase.create(`${path}.new`, serial, placed);
  renameSync(`${path}.new`, path);
  syncFile(dir);
}

export async function openVirtualLibrary(dir: string): Promise<VirtualLibrary> {
  if (!existsSync(databasePath(dir))) {
    throw new StatusError('robotMissing', `there is no library in ${dir}`);
  }
  return new FileLibrary(dir, LibraryDatabase.open(databasePath(dir)));
}

class FileLibrary implements VirtualLibrary {
  readonly #dir: string;
  readonly #database: LibraryDatabase;
  #closed = false;

  constructor(dir: string, database: LibraryDatabase) {
    this.#dir = dir;
    this.#database = database;
  }

  async identity(): Promise<LibraryIdentity> {
    return { vendor: 'TAPESTRY', product: 'VIRTUAL LIBRARY', serial: this.#database.serial };
  }

  async inventory(): Promise<readonly LibraryElement[]> {
    this.#checkRobot();
    return this.#database.elements().map((row) => {
      const drive = row.type === 'drive' ? this.#database.drive(row.index) : undefined;
      const looks = this.#looksLike(row);
      return {
        ...row,
        ...looks,
        accessible: !drive || drive.ejected || !hasLiveHolder(drive),
        driveSerial: drive?.serial ?? null,
      };
    });
  }

  #checkRobot(): void {
    if (!this.#database.strikes(['robot'], 'doorOpen')) return;
    throw new StatusError('robotDown', 'the door of the library is open');
  }

  #looksLike({ address, barcode }: ElementRow) {
    if (this.#database.strikes([`element ${address}`], 'looksEmpty')) {
      return { full: false, barcode: null, sourceAddress: null, medium: null };
    }
    if (this.#database.strikes([`element ${address}`], 'looksFull')) {
      return { full: true, barcode: null, sourceAddress: null, medium: 'data' as const };
    }
    if (barcode === null) return { full: false, medium: null };
    const medium = mediumOf(cartridgePath(this.#dir, barcode));
    const unreadable = this.#database.strikes([`cartridge ${barcode}`], 'unreadableBarcode');
    return { full: true, medium, ...(unreadable ? { barcode: null } : {}) };
  }

  /** Looks at the cartridge folders: one that was put there by hand appears, one that was taken away is gone. */
  async rescan(): Promise<readonly LibraryElement[]> {
    const onDisk = readdirSync(cartridgesPath(this.#dir), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => entry.name)
      .filter((name) => existsSync(join(cartridgesPath(this.#dir), name, 'cartridge.json')))
      .sort();
    this.#database.transaction(() => {
      const known = this.#database.elements();
      for (const { address, barcode } of known) {
        if (barcode !== null && !onDisk.includes(barcode)) {
          this.#database.setElement(address, null, null);
        }
      }
      const placed = new Set(known.map((element) => element.barcode));
      const fresh = onDisk.filter((barcode) => !placed.has(barcode));
      for (const barcode of fresh) {
        // What finds no place stays outside until there is one: the next look places it.
        const address = this.#freePlace();
        if (address !== null) this.#database.setElement(address, barcode, null);
      }
    });
    return this.inventory();
  }

  /** Where a cartridge that comes from outside goes. */
  #freePlace(): number | null {
    const free = this.#database.elements().filter((element) => element.barcode === null);
    const place =
      free.find(({ type }) => type === 'importExport') ?? free.find(({ type }) => type === 'slot');
    return place?.address ?? null;
  }

  async addCartridge(spec: CartridgeSpec): Promise<number> {
    return this.#database.transaction(() => {
      const address = this.#freePlace();
      if (address === null) throw new StatusError('notMountable', 'the library is full');
      createCartridge(cartridgePath(this.#dir, spec.barcode), spec, Date.now());
      this.#database.setElement(address, spec.barcode, null);
      return address;
    });
  }

  async move(from: number, to: number, options: MoveOptions = {}): Promise<void> {
    this.#checkRobot();
    const jammed = new StatusError(
      'robotDown',
      `the robot is stuck on its way from ${from} to ${to}`,
    );
    if (this.#database.strikes(['robot'], 'jam')) throw jammed;
    this.#move(from, to, options);
    if (this.#database.strikes(['robot'], 'jamBehindMove')) throw jammed;
  }

  #move(from: number, to: number, options: MoveOptions): void {
    this.#database.transaction(() => {
      const source = this.#element(from);
      const destination = this.#element(to);
      if (destination.type === 'robot') {
        throw new StatusError('invalidParameter', 'the robot is no place to leave a cartridge');
      }
      const { barcode } = source;
      if (barcode === null) throw new StatusError('slotEmpty', `element ${from} is empty`);
      if (destination.barcode !== null) {
        throw new StatusError('notMountable', `element ${to} holds ${destination.barcode}`);
      }
      if (source.type === 'drive') this.#takeFromDrive(source, options);
      this.#database.setElement(from, null, null);
      this.#database.setElement(to, barcode, from);
      if (destination.type === 'drive') this.#load(destination.index, barcode);
    });
  }

  /** A cleaning cartridge does its work at once, and waits to be taken out. */
  #load(driveIndex: number, barcode: string): void {
    const dir = cartridgePath(this.#dir, barcode);
    const cleaning = mediumOf(dir) === 'cleaning';
    this.#database.setEjected(driveIndex, cleaning ? 1 : 0);
    this.#database.takeAlerts(driveIndex);
    if (cleaning) this.#clean(driveIndex, dir);
  }

  #clean(driveIndex: number, dir: string): void {
    const memory = readCartridgeMemory(dir);
    if (memory.cleaned >= readCartridgeInfo(dir).cleanings) {
      this.#database.raiseAlert(driveIndex, TAPE_ALERT.expiredCleaningMedia);
      return;
    }
    writeCartridgeMemory(dir, { ...memory, loads: memory.loads + 1, cleaned: memory.cleaned + 1 });
    this.#database.raiseAlert(driveIndex, TAPE_ALERT.cleaningMedia);
    const place: FaultPlace = `drive ${driveIndex}`;
    const left = this.#database
      .faults()
      .filter((fault) => fault.kind !== 'cleaningRequired' || fault.place !== place);
    this.#database.setFaults(left);
  }

  /** A dead owner is fenced too, in case that it only seemed dead. One that unloaded keeps the drive. */
  #takeFromDrive(element: ElementRow, { fence }: MoveOptions): void {
    const drive = this.#database.drive(element.index);
    if (!drive || drive.ejected) return;
    if (fence) checkClaim(drive, fence);
    else if (hasLiveHolder(drive)) {
      throw new StatusError(
        'mediaInUse',
        `${element.barcode} is in use by grant ${drive.grantId}`,
        {
          drive: element.index,
          pid: drive.holder?.pid ?? 0,
        },
      );
    }
    this.#database.clearDriveHolder(element.index, fence?.epoch ?? drive.epoch);
  }

  #element(address: number): ElementRow {
    const found = this.#database.elements().find((element) => element.address === address);
    if (!found) throw new StatusError('invalidParameter', `no element has address ${address}`);
    return found;
  }

  async addFault(fault: Fault): Promise<void> {
    this.#database.transaction(() => {
      this.#database.setFaults([...this.#database.faults(), fault]);
    });
  }

  async clearFaults(): Promise<void> {
    this.#database.transaction(() => this.#database.setFaults([]));
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#database.close();
  }
}

/** A cartridge whose description cannot be read is one for data: the drive will tell. */
function mediumOf(dir: string): 'data' | 'worm' | 'cleaning' {
  try {
    const { kind, worm } = readCartridgeInfo(dir);
    return kind === 'cleaning' ? kind : worm ? 'worm' : 'data';
  } catch {
    return 'data';
  }
}
