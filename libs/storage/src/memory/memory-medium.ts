// One cartridge in memory: the plainest statement of what a tape does, and the model that the tests compare with.

/** A block's bytes, or a filemark. */
export type MediumObject = Uint8Array | 'filemark';

export interface MemoryCartridge {
  readonly barcode: string;
  readonly capacityBytes: number;
  /** Distance of early warning from the end; by default a sixteenth of the capacity. */
  readonly earlyWarningBytes?: number;
  readonly writeProtected?: boolean;
  readonly worm?: boolean;
  /** Default `data`. */
  readonly kind?: 'data' | 'cleaning';
  /** How often a cleaning cartridge cleans. Default 50. */
  readonly cleanings?: number;
}

/** What an object takes on the medium beside its data, so that filemarks fill a tape too. */
const OVERHEAD_BYTES = 64;

export class MemoryMedium {
  readonly cartridge: MemoryCartridge;
  readonly #objects: MediumObject[] = [];
  #usedBytes = 0;
  /** Cleanings that a cleaning cartridge did. */
  cleaned = 0;

  constructor(cartridge: MemoryCartridge) {
    this.cartridge = cartridge;
  }

  get objectCount(): number {
    return this.#objects.length;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get pastEarlyWarning(): boolean {
    const { capacityBytes, earlyWarningBytes = capacityBytes / 16 } = this.cartridge;
    return this.#usedBytes >= capacityBytes - earlyWarningBytes;
  }

  at(object: number): MediumObject | undefined {
    return this.#objects[object];
  }

  /** Makes the medium end before `object`. */
  cut(object: number): void {
    for (const gone of this.#objects.splice(object)) this.#usedBytes -= sizeOnMedium(gone);
  }

  /** False when it does not fit; then nothing changed. */
  append(object: MediumObject): boolean {
    const size = sizeOnMedium(object);
    if (this.#usedBytes + size > this.cartridge.capacityBytes) return false;
    this.#objects.push(object);
    this.#usedBytes += size;
    return true;
  }

  filemarksBefore(object: number): number {
    let marks = 0;
    for (let i = 0; i < object; i++) if (this.#objects[i] === 'filemark') marks += 1;
    return marks;
  }

  /** The object at which a file begins, or null when there are not so many filemarks. */
  startOfFile(file: number): number | null {
    let marks = 0;
    for (let i = 0; marks < file; i++) {
      if (i >= this.#objects.length) return null;
      if (this.#objects[i] === 'filemark') marks += 1;
      if (marks === file) return i + 1;
    }
    return 0;
  }
}

function sizeOnMedium(object: MediumObject): number {
  return OVERHEAD_BYTES + (object === 'filemark' ? 0 : Math.ceil(object.length / 64) * 64);
}
