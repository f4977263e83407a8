// A tape library whose cartridges are folders of files: the embedded default. Moves are transactions on its database;
// a cartridge's data never moves. Opened by ltid, while other processes hold the drives.

import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { StatusError } from '@tapestry/status';
import { syncFile } from '../durable-file.ts';
import { type ElementLayout, type ElementPlace, elementPlaces } from '../element-layout.ts';
import type { Fault, FaultPlace } from '../faults.ts';
import { hostFiles } from '../file-layer.ts';
import { orHostFailure } from '../host-failure.ts';
import type { Library, LibraryElement, LibraryIdentity, MoveOptions } from '../library.ts';
import { TAPE_ALERT, TAPE_ALERT_MAX } from '../tape-alert.ts';
import {
  type CartridgeSpec,
  checkCartridgeSpec,
  createCartridge,
  isBarcode,
  readCartridgeInfo,
  readCartridgeMemory,
  replaceCartridgeInfo,
  writeCartridgeMemory,
} from './cartridge-info.ts';
import {
  copyCartridge,
  fingerprint,
  makeFolders,
  renamed,
  type TransferProgress,
} from './cartridge-transfer.ts';
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

  /**
   * Takes the cartridge in a slot or import/export element out of the library: its folder is `toDir/<barcode>` then.
   * Errors: 2043 the element is empty, 97 it is in a drive, or was used meanwhile; 226 there is such a folder; 129, 104, 12, 11.
   */
  exportCartridge(address: number, toDir: string, onProgress?: TransferProgress): Promise<string>;

  /** Puts a copy of an exported cartridge in as `addCartridge` does. Errors: 83 no cartridge; 226, 164, 129, 12, 11. */
  importCartridge(
    fromDir: string,
    onProgress?: TransferProgress,
  ): Promise<{ readonly barcode: string; readonly address: number }>;

  /** Sets or clears the write protection. Errors: 227 no such cartridge, 97 a live owner has it in a drive. */
  protectCartridge(barcode: string, writeProtected: boolean): Promise<void>;

  /** The folder of a cartridge. Errors: 227 none has this barcode. */
  cartridgeDir(barcode: string): string;

  /** Raises a TapeAlert flag, 1 to 64, at a drive (from 0), which its next user hears. */
  raiseTapeAlert(driveIndex: number, flag: number): Promise<void>;

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
  for (const spec of cartridges) checkCartridgeSpec(spec);
  if (new Set(cartridges.map(({ barcode }) => barcode)).size < cartridges.length) {
    throw new StatusError('alreadyExists', 'two cartridges have one barcode');
  }
  orHostFailure(() => makeLibrary(dir, cartridges, serial, places));
}

function makeLibrary(
  dir: string,
  cartridges: readonly CartridgeSpec[],
  serial: string,
  places: readonly ElementPlace[],
): void {
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
  return new FileLibrary(
    dir,
    orHostFailure(() => LibraryDatabase.open(databasePath(dir))),
  );
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
    const entries = orHostFailure(() =>
      readdirSync(cartridgesPath(this.#dir), { withFileTypes: true }),
    );
    const onDisk = entries
      .filter((entry) => entry.isDirectory() && isBarcode(entry.name))
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
    checkCartridgeSpec(spec);
    return this.#admit(spec.barcode, (dir) => void createCartridge(dir, spec, Date.now()));
  }

  /** Has `make` make the cartridge's folder while nobody else changes the library, and gives it a place. */
  #admit(barcode: string, make: (dir: string) => void): number {
    return this.#change(() => {
      if (this.#database.placeOf(barcode)) {
        throw new StatusError('alreadyExists', `there is a cartridge ${barcode} already`);
      }
      const address = this.#freePlace();
      if (address === null) throw new StatusError('notMountable', 'the library is full');
      make(cartridgePath(this.#dir, barcode));
      this.#database.setElement(address, barcode, null);
      return address;
    });
  }

  #change<T>(work: () => T): T {
    return orHostFailure(() => this.#database.transaction(work));
  }

  async exportCartridge(
    address: number,
    toDir: string,
    onProgress?: TransferProgress,
  ): Promise<string> {
    const barcode = this.#exportable(address);
    const inside = cartridgePath(this.#dir, barcode);
    const outside = join(toDir, barcode);
    return orHostFailure(() => {
      makeFolders(toDir);
      if (existsSync(outside))
        throw new StatusError('alreadyExists', `there is ${outside} already`);
      const leave = (take: () => boolean): boolean =>
        this.#database.transaction(() => {
          if (this.#exportable(address) !== barcode) throw this.#usedMeanwhile(barcode);
          if (!take()) return false;
          this.#database.setElement(address, null, null);
          return true;
        });
      // On one file system it is gone from here and there in one step; else the copy comes first.
      if (leave(() => renamed(inside, outside, hostFiles))) return outside;
      const before = fingerprint(inside);
      copyCartridge(inside, outside, hostFiles, onProgress);
      const gone = cartridgePath(this.#dir, `.leaving-${barcode}`);
      hostFiles.remove(gone);
      try {
        leave(() => {
          if (fingerprint(inside) !== before) throw this.#usedMeanwhile(barcode);
          return renamed(inside, gone, hostFiles);
        });
      } catch (error) {
        hostFiles.remove(outside);
        throw error;
      }
      hostFiles.remove(gone);
      return outside;
    });
  }

  /** The barcode of what may be taken out. */
  #exportable(address: number): string {
    const { type, barcode } = this.#element(address);
    if (barcode === null) throw new StatusError('slotEmpty', `element ${address} is empty`);
    if (type !== 'drive') return barcode;
    throw new StatusError('mediaInUse', `${barcode} is in a drive: move it to a slot first`);
  }

  #usedMeanwhile(barcode: string): StatusError {
    return new StatusError('mediaInUse', `${barcode} was moved or written while it was copied`);
  }

  async importCartridge(fromDir: string, onProgress?: TransferProgress) {
    const { barcode } = readCartridgeInfo(fromDir);
    const arriving = cartridgePath(this.#dir, `.arriving-${barcode}`);
    return orHostFailure(() => {
      hostFiles.remove(arriving);
      try {
        copyCartridge(fromDir, arriving, hostFiles, onProgress);
        const address = this.#admit(barcode, (dir) => {
          // A folder that the library does not know: it was put there by hand, or is what a dead call left.
          if (existsSync(join(dir, 'cartridge.json'))) {
            throw new StatusError('alreadyExists', `there is ${dir} already`);
          }
          hostFiles.remove(dir);
          renamed(arriving, dir, hostFiles);
        });
        return { barcode, address };
      } finally {
        hostFiles.remove(arriving);
      }
    });
  }

  async protectCartridge(barcode: string, writeProtected: boolean): Promise<void> {
    this.#change(() => {
      const dir = this.cartridgeDir(barcode);
      const place = this.#database.placeOf(barcode);
      const drive = place?.type === 'drive' ? this.#database.drive(place.index) : undefined;
      if (drive && !drive.ejected && hasLiveHolder(drive)) {
        throw new StatusError('mediaInUse', `${barcode} is in use by grant ${drive.grantId}`);
      }
      replaceCartridgeInfo(dir, { ...readCartridgeInfo(dir), writeProtected });
    });
  }

  cartridgeDir(barcode: string): string {
    if (this.#database.placeOf(barcode)) return cartridgePath(this.#dir, barcode);
    throw new StatusError('notFound', `the library has no cartridge ${barcode}`);
  }

  async move(from: number, to: number, options: MoveOptions = {}): Promise<void> {
    this.#checkRobot();
    const slow = this.#database.struckBy(['robot'], 'slow');
    if (slow) await sleep(slow.delayMs ?? 0);
    const jammed = new StatusError(
      'robotDown',
      `the robot is stuck on its way from ${from} to ${to}`,
    );
    if (this.#database.strikes(['robot'], 'jam')) throw jammed;
    this.#move(from, to, options);
    if (this.#database.strikes(['robot'], 'jamBehindMove')) throw jammed;
  }

  #move(from: number, to: number, options: MoveOptions): void {
    this.#change(() => {
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
    this.#database.clearAlerts(driveIndex);
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

  async raiseTapeAlert(driveIndex: number, flag: number): Promise<void> {
    const elements = this.#database.elements();
    if (!elements.some(({ type, index }) => type === 'drive' && index === driveIndex)) {
      throw new StatusError('invalidParameter', `the library has no drive ${driveIndex}`);
    }
    if (!Number.isInteger(flag) || flag < 1 || flag > TAPE_ALERT_MAX) {
      throw new StatusError('invalidParameter', `${flag} is no TapeAlert flag: 1 to 64`);
    }
    this.#database.orderAlert(driveIndex, flag);
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
