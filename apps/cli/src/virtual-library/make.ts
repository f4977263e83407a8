// vtl create and load: a new library, and cartridges for one, new or exported from another.

import { resolve } from 'node:path';
import { StatusError } from '@tapestry/status';
import {
  type CartridgeSpec,
  createVirtualLibrary,
  openVirtualLibrary,
  virtualDrivePath,
} from '@tapestry/storage';
import type { Context } from '../command.ts';
import type { VtlLine, VtlVerb } from '../commands/vtl.ts';
import { usage } from '../option-table.ts';
import { showProgress } from './progress.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};
const BARCODE_LENGTH = 6;
const CLEANING_PREFIX = 'CLN';

export const create: VtlVerb = async (context, dir, words, options) => {
  if (words.length > 0) throw usage(`'${words[0]}' is one word too many`);
  const { drives = 2, slots = 10, mailslots = 1, cleaning = 0 } = options;
  const cartridges = options.cartridges ?? Math.max(1, slots - 2 - cleaning);
  if (cartridges + cleaning > slots) throw usage('there are more cartridges than slots');
  const specs = newCartridges(options, { cartridges, cleaning, known: new Set() });
  await createVirtualLibrary({
    ...{ dir, drives, slots, importExports: mailslots },
    cartridges: specs,
  });
  const cleaners = cleaning > 0 ? `, ${cleaning} to clean with` : '';
  context.out(
    `Virtual library in ${dir}: ${drives} drives, ${slots} slots, ${mailslots} mail slots, ` +
      `${cartridges} cartridges${cleaners}\n` +
      `  robot path   vtl:${dir}\n` +
      `  drive paths  ${virtualDrivePath(dir, 0)} to #${drives - 1}\n`,
  );
  return 0;
};

export const load: VtlVerb = async (context, dir, words, options) => {
  const isNew = options.cartridges !== undefined || options.cleaning !== undefined;
  if (isNew && words.length > 0)
    throw usage('load makes new cartridges or takes folders, not both');
  return words.length > 0 ? importAll(context, dir, words) : addNew(context, dir, options);
};

async function addNew(context: Context, dir: string, options: VtlLine['options']): Promise<number> {
  const library = await openVirtualLibrary(dir);
  try {
    const barcodes = (await library.inventory()).map(({ barcode }) => barcode ?? '');
    const { cleaning = 0 } = options;
    const cartridges = options.cartridges ?? (cleaning > 0 ? 0 : 1);
    const specs = newCartridges(options, { cartridges, cleaning, known: new Set(barcodes) });
    for (const spec of specs) {
      const address = await library.addCartridge(spec);
      context.out(`${spec.barcode} in element ${address}\n`);
    }
    return 0;
  } finally {
    await library.close();
  }
}

async function importAll(context: Context, dir: string, folders: readonly string[]) {
  const library = await openVirtualLibrary(dir);
  try {
    for (const folder of folders) {
      const from = resolve(context.cwd, folder);
      const progress = showProgress(context, folder);
      const { barcode, address } = await library.importCartridge(from, progress.show);
      progress.done();
      context.out(`${barcode} in element ${address}\n`);
    }
    return 0;
  } finally {
    await library.close();
  }
}

interface Wanted {
  readonly cartridges: number;
  readonly cleaning: number;
  /** Barcodes that are taken. */
  readonly known: ReadonlySet<string>;
}

function newCartridges(
  { capacity, prefix = 'TAP', worm }: VtlLine['options'],
  { cartridges, cleaning, known }: Wanted,
): CartridgeSpec[] {
  const capacityBytes = sizeBytes(capacity ?? '2g');
  return [
    ...freeBarcodes(prefix.toUpperCase(), cartridges, known).map((barcode) => ({
      ...{ barcode, capacityBytes, worm },
    })),
    ...freeBarcodes(CLEANING_PREFIX, cleaning, known).map((barcode) => ({
      ...{ barcode, capacityBytes: 0, kind: 'cleaning' as const },
    })),
  ];
}

/** The first that are free, from 1 on. Error: 144 when a number does not fit behind the prefix. */
function freeBarcodes(prefix: string, count: number, known: ReadonlySet<string>): string[] {
  const found: string[] = [];
  for (let number = 1; found.length < count; number += 1) {
    const barcode = numbered(prefix, number);
    if (!known.has(barcode)) found.push(barcode);
  }
  return found;
}

/** Six signs, as media ids have them. */
function numbered(prefix: string, number: number): string {
  const digits = BARCODE_LENGTH - prefix.length;
  const text = String(number);
  if (!/^[A-Z0-9]+$/.test(prefix) || text.length > digits) {
    throw usage(`'${prefix}' and number ${number} do not make six letters and digits`);
  }
  return `${prefix}${text.padStart(digits, '0')}`;
}

function sizeBytes(text: string): number {
  const match = /^(\d{1,15})([kmgt]?)b?$/i.exec(text);
  const unit = UNITS[match?.[2]?.toLowerCase() ?? ''];
  if (match === null || unit === undefined) {
    throw new StatusError('invalidParameter', `'${text}' is no size: 500m, 2g, 12t`);
  }
  return Number(match[1]) * unit;
}
