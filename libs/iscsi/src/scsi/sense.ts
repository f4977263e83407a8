// Sense data of SPC, in both formats, as one value; and in words for people.

export const SENSE_KEY = {
  noSense: 0x0,
  recovered: 0x1,
  notReady: 0x2,
  mediumError: 0x3,
  hardwareError: 0x4,
  illegalRequest: 0x5,
  unitAttention: 0x6,
  dataProtect: 0x7,
  blankCheck: 0x8,
  aborted: 0xb,
  volumeOverflow: 0xd,
} as const;

export interface Sense {
  readonly key: number;
  /** ASC and ASCQ as one number: 0x0400 for 04h/00h. */
  readonly code: number;
  readonly filemark: boolean;
  readonly endOfMedium: boolean;
  readonly incorrectLength: boolean;
  /** Signed; null where the device does not vouch for it. */
  readonly information: number | null;
  /** An earlier command failed that had been answered already; the one answered now was not carried out. */
  readonly deferred: boolean;
}

const END_OF_DATA = 0x0005;
const END_OF_MEDIUM_REACHED = 0x0002;

/**
 * There is nothing behind the position: nothing was written there, or the tape is at its end. Some emulations tell it
 * without the key that belongs to it.
 */
export function isEndOfData({ key, code, deferred }: Sense): boolean {
  if (deferred) return false;
  if (key === SENSE_KEY.blankCheck) return true;
  const isEnd = key === SENSE_KEY.noSense && code === END_OF_DATA;
  return isEnd || (key === SENSE_KEY.mediumError && code === END_OF_MEDIUM_REACHED);
}

const FILEMARK = 0x80;
const END_OF_MEDIUM = 0x40;
const INCORRECT_LENGTH = 0x20;

/** Null without sense, or with one that cannot be read. */
export function decodeSense(bytes: Buffer): Sense | null {
  const format = (bytes[0] ?? 0) & 0x7f;
  if (format === 0x70 || format === 0x71) return fixedSense(bytes, format === 0x71);
  if (format === 0x72 || format === 0x73) return descriptorSense(bytes, format === 0x73);
  return null;
}

function fixedSense(bytes: Buffer, deferred: boolean): Sense | null {
  if (bytes.length < 8) return null;
  const flags = bytes[2] ?? 0;
  const isValid = ((bytes[0] ?? 0) & 0x80) !== 0;
  return {
    key: flags & 0x0f,
    code: bytes.length < 14 ? 0 : bytes.readUInt16BE(12),
    ...streamFlags(flags),
    information: isValid ? bytes.readInt32BE(3) : null,
    deferred,
  };
}

function descriptorSense(bytes: Buffer, deferred: boolean): Sense | null {
  if (bytes.length < 8) return null;
  let information: number | null = null;
  let flags = 0;
  const end = Math.min(bytes.length, 8 + (bytes[7] ?? 0));
  for (let at = 8; at + 4 <= end; at += 2 + (bytes[at + 1] ?? 0)) {
    if (bytes[at] === 0x00 && at + 12 <= end && ((bytes[at + 2] ?? 0) & 0x80) !== 0) {
      information = Number(bytes.readBigInt64BE(at + 4));
    }
    if (bytes[at] === 0x04) flags = bytes[at + 3] ?? 0;
  }
  return {
    key: (bytes[1] ?? 0) & 0x0f,
    code: bytes.readUInt16BE(2),
    ...streamFlags(flags),
    information,
    deferred,
  };
}

function streamFlags(flags: number): Pick<Sense, 'filemark' | 'endOfMedium' | 'incorrectLength'> {
  return {
    filemark: (flags & FILEMARK) !== 0,
    endOfMedium: (flags & END_OF_MEDIUM) !== 0,
    incorrectLength: (flags & INCORRECT_LENGTH) !== 0,
  };
}

const KEY_TEXTS: Readonly<Record<number, string>> = {
  0: 'no sense',
  1: 'recovered error',
  2: 'not ready',
  3: 'medium error',
  4: 'hardware error',
  5: 'illegal request',
  6: 'unit attention',
  7: 'data protect',
  8: 'blank check',
  11: 'aborted command',
  13: 'volume overflow',
};

const CODE_TEXTS: Readonly<Record<number, string>> = {
  2: 'end of the medium',
  4: 'beginning of the medium',
  5: 'end of data',
  1025: 'becoming ready',
  1026: 'needs a load',
  1027: 'needs a person',
  1042: 'offline',
  3072: 'write error',
  4352: 'unrecovered read error',
  5120: 'position not found',
  8192: 'unknown command',
  8449: 'no such element',
  9216: 'a field of the command is not valid',
  9728: 'a parameter is not valid',
  9984: 'write protected',
  10240: 'the medium may have changed',
  10241: 'the import/export element was used',
  10496: 'power on or reset',
  10503: 'the nexus was lost',
  10753: 'mode parameters changed',
  10755: 'the reservation was taken over',
  10756: 'the reservation was released',
  10757: 'the registration was taken over',
  12289: 'the format of the medium is not known',
  12291: 'a cleaning cartridge',
  12300: 'a write-once medium cannot be overwritten',
  14848: 'no medium',
  15117: 'the destination is full',
  15118: 'the source is empty',
  20480: 'appending failed',
  21250: 'the removal is prevented',
};

/** "medium error 11/00, unrecovered read error". */
export function describeSense({ key, code, deferred }: Sense): string {
  const hex = (byte: number): string => byte.toString(16).padStart(2, '0');
  const name = KEY_TEXTS[key] ?? `sense key ${hex(key)}`;
  const text = CODE_TEXTS[code];
  const late = deferred ? ' of an earlier command' : '';
  const codes = `${hex(code >> 8)}/${hex(code & 0xff)}`;
  return `${name}${late} ${codes}${text === undefined ? '' : `, ${text}`}`;
}
