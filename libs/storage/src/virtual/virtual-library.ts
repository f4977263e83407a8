// A tape library whose cartridges are folders of files: the embedded default. Moves are transactions on its database;
// a cartridge's data never moves. Opened by ltid, while other processes hold the drives.

import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { StatusError } from '@tapestry/status';
import { syncFile } from '../durable-file.ts';
import { type ElementLayout, elementPlaces } from '../element-layout.ts';
import type { Library, LibraryElement, LibraryIdentity, MoveOptions } from '../library.ts';
import { type CartridgeSpec, createCartridge } from './cartridge-info.ts';
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
    return this.#database.elements().map((row) => {
      const drive = row.type === 'drive' ? this.#database.drive(row.index) : undefined;
      return {
        ...row,
        full: row.barcode !== null,
        accessible: !drive || drive.ejected || !hasLiveHolder(drive),
        driveSerial: drive?.serial ?? null,
      };
    });
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
      if (destination.type === 'drive') this.#database.setEjected(destination.index, 0);
      this.#database.setElement(from, null, null);
      this.#database.setElement(to, barcode, from);
    });
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

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#database.close();
  }
}
