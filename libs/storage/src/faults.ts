// Faults that a test puts into an emulated library or drive, so that those who use them can be tried: a jam, a drive that
// is not ready, a tape that cannot be read. Which fault strikes is decided here, for every emulation. Pure.

/** Where a fault sits. A cartridge takes its faults along; drives count from 0. */
export type FaultPlace = 'robot' | `drive ${number}` | `cartridge ${string}` | `element ${number}`;

/**
 * robot: `jam` a move fails (2020) and nothing was moved, `jamBehindMove` it fails and was made all the same, `doorOpen` every
 * call fails (2020), `slow` a move takes `delayMs` longer.
 * drive, cartridge: `notReady` nothing is loaded yet (2037), `loadFails` (83), `readFails` (85), `writeFails` (84),
 * `positionFails` (86), `unloadFails` (87), `cleaningRequired` the drive asks to be cleaned.
 * cartridge: `unreadableBarcode`. element: `looksEmpty` and `looksFull` the inventory is wrong about it.
 */
export const FAULT_KINDS = [
  ...(['jam', 'jamBehindMove', 'doorOpen', 'slow', 'notReady', 'loadFails', 'readFails'] as const),
  ...(['writeFails', 'positionFails', 'unloadFails', 'cleaningRequired'] as const),
  ...(['unreadableBarcode', 'looksEmpty', 'looksFull'] as const),
] as const;

export type FaultKind = (typeof FAULT_KINDS)[number];

export interface Fault {
  readonly place: FaultPlace;
  readonly kind: FaultKind;
  /** How often it strikes; without it, until it is cleared. */
  readonly times?: number;
  /** How often all goes well before it strikes. Default 0. */
  readonly after?: number;
  /** Of `slow`. */
  readonly delayMs?: number;
}

/** The fault of this kind that strikes at one of these places now, null for none, and what is left of the faults then. */
export function strike(
  faults: readonly Fault[],
  places: readonly FaultPlace[],
  kind: FaultKind,
): { readonly struck: Fault | null; readonly left: readonly Fault[] } {
  const at = faults.findIndex((fault) => fault.kind === kind && places.includes(fault.place));
  const found = faults[at];
  if (!found) return { struck: null, left: faults };
  const { after = 0, times } = found;
  if (after > 0) return { struck: null, left: faults.with(at, { ...found, after: after - 1 }) };
  if (times === undefined) return { struck: found, left: faults };
  const left =
    times > 1 ? faults.with(at, { ...found, times: times - 1 }) : faults.toSpliced(at, 1);
  return { struck: times > 0 ? found : null, left };
}
