// vtl export, protect and unprotect: cartridges that leave a library, or must not be written.

import { resolve } from 'node:path';
import { StatusError } from '@tapestry/status';
import { openVirtualLibrary, type VirtualLibrary } from '@tapestry/storage';
import { type Context, requireSome } from '../command.ts';
import type { VtlVerb } from '../commands/vtl.ts';
import { usage } from '../option-table.ts';
import { showProgress } from './progress.ts';

export const exportCartridges: VtlVerb = async (context, dir, words, { to }) => {
  if (to === undefined) throw usage('export needs -to and a folder');
  const target = resolve(context.cwd, to);
  const barcodes = words.length > 0 ? words : await inMailSlots(dir);
  return forEach(dir, barcodes, (library, barcode) => exportOne(context, library, barcode, target));
};

/** What was put there to be taken out. Error: 227 when nothing was. */
async function inMailSlots(dir: string): Promise<string[]> {
  const library = await openVirtualLibrary(dir);
  try {
    const found = (await library.inventory())
      .filter(({ type }) => type === 'importExport')
      .flatMap(({ barcode }) => (barcode === null ? [] : [barcode]));
    return [...requireSome(found, 'the mail slots are empty: say which cartridges')];
  } finally {
    await library.close();
  }
}

async function exportOne(
  context: Context,
  library: VirtualLibrary,
  barcode: string,
  target: string,
): Promise<void> {
  const place = (await library.inventory()).find((element) => element.barcode === barcode);
  if (!place) throw new StatusError('notFound', `the library has no cartridge ${barcode}`);
  const progress = showProgress(context, barcode);
  const folder = await library.exportCartridge(place.address, target, progress.show);
  progress.done();
  context.out(`${barcode} is now ${folder}\n`);
}

export const protect: VtlVerb = async (context, dir, words) =>
  forEach(dir, words, async (library, barcode) => {
    await library.protectCartridge(barcode, true);
    context.out(`${barcode} is write-protected\n`);
  });

export const unprotect: VtlVerb = async (context, dir, words) =>
  forEach(dir, words, async (library, barcode) => {
    await library.protectCartridge(barcode, false);
    context.out(`${barcode} can be written\n`);
  });

/** Stops at the first that fails: what came before is done. */
async function forEach(
  dir: string,
  barcodes: readonly string[],
  work: (library: VirtualLibrary, barcode: string) => Promise<void>,
): Promise<number> {
  if (barcodes.length === 0) throw usage('say which cartridges, by their barcodes');
  const library = await openVirtualLibrary(dir);
  try {
    for (const barcode of barcodes) await work(library, barcode);
    return 0;
  } finally {
    await library.close();
  }
}
