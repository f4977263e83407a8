// vtl: makes and shows virtual tape libraries on files, which robots and drives of a media server can stand on.

import { resolve } from 'node:path';
import { StatusError } from '@tapestry/status';
import type { LibraryElement } from '@tapestry/storage';
import { type Context, command } from '../command.ts';
import { usage } from '../option-table.ts';
import { table } from '../render/table.ts';

const UNITS: Readonly<Record<string, number>> = {
  '': 1,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  t: 1024 ** 4,
};
const BARCODE_LENGTH = 6;

export const vtl = command({
  purpose: 'make or show a virtual tape library on files',
  synopsis: [
    'create DIR [-drives N] [-slots N] [-cartridges N] [-capacity SIZE] [-prefix TEXT]',
    'list DIR',
    'add DIR -cartridges N [-capacity SIZE] [-prefix TEXT]',
  ],
  options: {
    drives: { kind: 'number', value: 'N', help: 'drives (2)' },
    slots: { kind: 'number', value: 'N', help: 'slots (10)' },
    cartridges: {
      kind: 'number',
      value: 'N',
      help: 'empty cartridges (as many as slots, less two)',
    },
    capacity: { kind: 'word', value: 'SIZE', help: 'of each cartridge: 500m, 2g, 12t (2g)' },
    prefix: { kind: 'word', value: 'TEXT', help: 'how barcodes begin (TAP: TAP001, TAP002 ...)' },
  },
  operandsMax: 2,
  example: 'vtl create /srv/library -drives 2 -slots 10 -cartridges 8 -capacity 2g -prefix TAP',
  async run({ options, operands }, context) {
    const [verb, given] = operands;
    if (verb === undefined || given === undefined)
      throw usage('say create, list or add, and a folder');
    const dir = resolve(context.cwd, given);
    const spec = {
      capacityBytes: sizeBytes(options.capacity ?? '2g'),
      prefix: (options.prefix ?? 'TAP').toUpperCase(),
    };
    if (verb === 'create') {
      const slots = options.slots ?? 10;
      const cartridges = options.cartridges ?? Math.max(1, slots - 2);
      await create(context, dir, { ...spec, drives: options.drives ?? 2, slots, cartridges });
    } else if (verb === 'list') await list(context, dir);
    else if (verb === 'add') await add(context, dir, { ...spec, count: options.cartridges ?? 1 });
    else throw usage(`'${verb}' is not create, list or add`);
    return 0;
  },
});

interface NewLibrary {
  readonly drives: number;
  readonly slots: number;
  readonly cartridges: number;
  readonly capacityBytes: number;
  readonly prefix: string;
}

async function create(context: Context, dir: string, spec: NewLibrary): Promise<void> {
  const { createVirtualLibrary, virtualDrivePath } = await import('@tapestry/storage');
  const { drives, slots, cartridges, capacityBytes, prefix } = spec;
  if (cartridges > slots) throw usage('there are more cartridges than slots');
  const barcodes = Array.from({ length: cartridges }, (_, i) => barcode(prefix, i + 1));
  await createVirtualLibrary({
    ...{ dir, drives, slots },
    cartridges: barcodes.map((each) => ({ barcode: each, capacityBytes })),
  });
  context.out(
    `Virtual library in ${dir}: ${drives} drives, ${slots} slots, ${cartridges} cartridges\n` +
      `  robot path   vtl:${dir}\n` +
      `  drive paths  ${virtualDrivePath(dir, 0)} to #${drives - 1}\n`,
  );
}

async function list(context: Context, dir: string): Promise<void> {
  const { openVirtualLibrary } = await import('@tapestry/storage');
  const library = await openVirtualLibrary(dir);
  try {
    const elements = await library.inventory();
    const shown = elements.filter((each) => each.type !== 'robot');
    const titles = ['element', 'address', 'cartridge', 'came from'].map((title) => ({ title }));
    context.out(table(titles, shown.map(elementCells)));
  } finally {
    await library.close();
  }
}

function elementCells(element: LibraryElement): string[] {
  const names: Readonly<Record<string, string>> = { importExport: 'import/export' };
  return [
    `${names[element.type] ?? element.type} ${element.index + 1}`,
    String(element.address),
    element.barcode ?? '-',
    element.sourceAddress === null ? '-' : String(element.sourceAddress),
  ];
}

async function add(
  context: Context,
  dir: string,
  spec: { prefix: string; count: number; capacityBytes: number },
): Promise<void> {
  const { openVirtualLibrary } = await import('@tapestry/storage');
  const library = await openVirtualLibrary(dir);
  try {
    const known = new Set((await library.inventory()).map((element) => element.barcode));
    let number = 1;
    for (let added = 0; added < spec.count; added += 1) {
      while (known.has(barcode(spec.prefix, number))) number += 1;
      const name = barcode(spec.prefix, number);
      known.add(name);
      const address = await library.addCartridge({
        barcode: name,
        capacityBytes: spec.capacityBytes,
      });
      context.out(`${name} in element ${address}\n`);
    }
  } finally {
    await library.close();
  }
}

/** Six signs, as media ids have them. Error: 144 when the number does not fit behind the prefix. */
function barcode(prefix: string, number: number): string {
  const digits = BARCODE_LENGTH - prefix.length;
  const text = String(number);
  if (!/^[A-Z0-9]+$/.test(prefix) || text.length > digits) {
    throw usage(`'${prefix}' and number ${number} do not make six letters and digits`);
  }
  return `${prefix}${text.padStart(digits, '0')}`;
}

function sizeBytes(text: string): number {
  const match = /^(\d+)([kmgt]?)b?$/i.exec(text);
  const unit = UNITS[match?.[2]?.toLowerCase() ?? ''];
  if (match === null || unit === undefined) {
    throw new StatusError('invalidParameter', `'${text}' is no size: 500m, 2g, 12t`);
  }
  return Number(match[1]) * unit;
}
