// vtl list: the elements of a library and what the cartridges in them hold.

import { StatusError } from '@tapestry/status';
import {
  type LibraryElement,
  openVirtualLibrary,
  readCartridgeMemory,
  type VirtualLibrary,
  walkCartridge,
} from '@tapestry/storage';
import type { VtlVerb } from '../commands/vtl.ts';
import { usage } from '../option-table.ts';
import { table } from '../render/table.ts';
import { sizeText } from './sizes.ts';

const TITLES = ['element', 'address', 'cartridge', 'came from', 'kind', 'used', 'of', 'state'];

export const list: VtlVerb = async (context, dir, words) => {
  if (words.length > 0) throw usage(`'${words[0]}' is one word too many`);
  const library = await openVirtualLibrary(dir);
  try {
    const elements = await library.inventory();
    const shown = elements.filter((each) => each.type !== 'robot');
    const rows = shown.map((each) => [...placeCells(each), ...mediumCells(library, each)]);
    context.out(
      table(
        TITLES.map((title) => ({ title })),
        rows,
      ),
    );
    return 0;
  } finally {
    await library.close();
  }
};

function placeCells(element: LibraryElement): string[] {
  const names: Readonly<Record<string, string>> = { importExport: 'import/export' };
  return [
    `${names[element.type] ?? element.type} ${element.index + 1}`,
    String(element.address),
    element.barcode ?? '-',
    element.sourceAddress === null ? '-' : String(element.sourceAddress),
  ];
}

function mediumCells(library: VirtualLibrary, element: LibraryElement): string[] {
  if (element.barcode === null) return ['-', '-', '-', ''];
  try {
    const dir = library.cartridgeDir(element.barcode);
    const { info, usedBytes, suspect } = walkCartridge(dir);
    const states = [
      suspect === null ? '' : 'damaged',
      info.writeProtected ? 'write-protected' : '',
      element.accessible ? '' : 'in use',
    ];
    const state = states.filter((each) => each !== '').join(', ');
    if (info.kind === 'cleaning') {
      const left = info.cleanings - readCartridgeMemory(dir).cleaned;
      return ['cleaning', '-', '-', `${left} cleanings left`];
    }
    const kind = info.worm ? 'worm' : 'data';
    return [kind, sizeText(usedBytes), sizeText(info.capacityBytes), state];
  } catch (error) {
    if (!(error instanceof StatusError)) throw error;
    return ['?', '-', '-', error.detail];
  }
}
