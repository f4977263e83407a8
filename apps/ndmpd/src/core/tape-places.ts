// Where the tapes in closed drives stand, for whoever opens them next. In memory that all threads share: the thread that
// has a drive writes it down before it lets go, and the next one reads it once it has the drive, so nobody is late.

const DRIVES_MAX = 256;
const BARCODE_BYTES = 32;
const DRIVE_BYTES = BARCODE_BYTES + 8;

export interface TapePlace {
  readonly file: number;
  readonly block: number;
}

export class TapePlaces {
  /** What other threads make theirs of. */
  readonly shared: SharedArrayBuffer;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;

  constructor(shared = new SharedArrayBuffer(DRIVES_MAX * DRIVE_BYTES)) {
    this.shared = shared;
    this.#bytes = new Uint8Array(shared);
    this.#view = new DataView(shared);
  }

  /** Of this tape; undefined when another was in the drive, or when nobody knows. */
  get(driveIndex: number, barcode: string): TapePlace | undefined {
    const at = driveIndex * DRIVE_BYTES;
    const label = labelOf(barcode);
    if (driveIndex >= DRIVES_MAX || label === undefined) return undefined;
    if (label.some((byte, i) => this.#bytes[at + i] !== byte)) return undefined;
    const file = this.#view.getUint32(at + BARCODE_BYTES);
    return { file, block: this.#view.getUint32(at + BARCODE_BYTES + 4) };
  }

  set(driveIndex: number, barcode: string, { file, block }: TapePlace): void {
    const at = driveIndex * DRIVE_BYTES;
    const label = labelOf(barcode);
    if (driveIndex >= DRIVES_MAX || label === undefined) return;
    this.#bytes.set(label, at);
    this.#view.setUint32(at + BARCODE_BYTES, file);
    this.#view.setUint32(at + BARCODE_BYTES + 4, block);
  }

  forget(driveIndex: number): void {
    if (driveIndex < 0 || driveIndex >= DRIVES_MAX) return;
    const at = driveIndex * DRIVE_BYTES;
    this.#bytes.fill(0, at, at + BARCODE_BYTES);
  }
}

/** Undefined for what cannot be written down: such a tape is taken to be new each time. */
function labelOf(barcode: string): Uint8Array | undefined {
  const bytes = Buffer.from(barcode);
  if (bytes.length === 0 || bytes.length > BARCODE_BYTES) return undefined;
  const label = new Uint8Array(BARCODE_BYTES);
  label.set(bytes);
  return label;
}
