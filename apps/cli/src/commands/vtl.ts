// vtl: makes and keeps virtual tape libraries on files, which robots and drives of a media server can stand on.

import { resolve } from 'node:path';
import { type Context, command } from '../command.ts';
import { type OptionTable, type ParsedLine, usage } from '../option-table.ts';

const OPTIONS = {
  drives: { kind: 'number', value: 'N', help: 'drives (2)' },
  slots: { kind: 'number', value: 'N', help: 'slots (10)' },
  mailslots: { kind: 'number', value: 'N', help: 'import/export elements (1)' },
  cartridges: {
    kind: 'number',
    value: 'N',
    help: 'empty cartridges (create: as many as slots, less two; load: 1)',
  },
  capacity: { kind: 'word', value: 'SIZE', help: 'of each cartridge: 500m, 2g, 12t (2g)' },
  prefix: { kind: 'word', value: 'TEXT', help: 'how barcodes begin (TAP: TAP001, TAP002 ...)' },
  worm: { kind: 'flag', help: 'the cartridges can be written once' },
  cleaning: { kind: 'number', value: 'N', help: 'cleaning cartridges, CLN001, CLN002 ... (0)' },
  to: { kind: 'word', value: 'FOLDER', help: 'where exported cartridges go' },
  blocks: { kind: 'flag', help: 'a line for every block' },
  times: { kind: 'number', value: 'N', help: 'how often a fault strikes (until it is cleared)' },
  after: { kind: 'number', value: 'N', help: 'how often all goes well before it strikes (0)' },
  clear: { kind: 'flag', help: 'take all faults back' },
} as const satisfies OptionTable;

export type VtlLine = ParsedLine<typeof OPTIONS>;

/** What a verb does with the library or folder that the line names first, and the words behind it. */
export type VtlVerb = (
  context: Context,
  dir: string,
  words: readonly string[],
  options: VtlLine['options'],
) => Promise<number>;

/** Loaded when called for: people wait for the others. */
const VERBS: Readonly<Record<string, () => Promise<VtlVerb>>> = {
  create: async () => (await import('../virtual-library/make.ts')).create,
  list: async () => (await import('../virtual-library/list.ts')).list,
  load: async () => (await import('../virtual-library/make.ts')).load,
  add: async () => (await import('../virtual-library/make.ts')).load,
  export: async () => (await import('../virtual-library/transfer.ts')).exportCartridges,
  protect: async () => (await import('../virtual-library/transfer.ts')).protect,
  unprotect: async () => (await import('../virtual-library/transfer.ts')).unprotect,
  check: async () => (await import('../virtual-library/inspect.ts')).check,
  disk: async () => (await import('../virtual-library/disk.ts')).disk,
  alert: async () => (await import('../virtual-library/faults.ts')).alert,
  fault: async () => (await import('../virtual-library/faults.ts')).fault,
  dump: async () => (await import('../virtual-library/inspect.ts')).dump,
};
/** As many cartridges as a line may name. */
const WORDS_MAX = 1024;

export const vtl = command({
  purpose: 'make, show and check virtual tape libraries on files',
  synopsis: [
    'create DIR [-drives N] [-slots N] [-mailslots N] [-cartridges N] [-capacity SIZE] [-prefix TEXT] [-worm] [-cleaning N]',
    'list DIR',
    'load DIR [-cartridges N] [-capacity SIZE] [-prefix TEXT] [-worm] [-cleaning N]',
    'load DIR FOLDER ...                    cartridges that were exported',
    'export DIR [BARCODE ...] -to FOLDER    those, or what stands in the mail slots',
    'protect DIR BARCODE ...                against writing; unprotect takes it back',
    'check DIR [BARCODE ...]                or folders of exported cartridges',
    'disk DIR                              make the folder a disk storage unit',
    'dump DIR BARCODE [-blocks]             or the folder of an exported cartridge',
    'alert DIR DRIVE FLAG ...               the drive (from 1) raises TapeAlert flags',
    'fault DIR PLACE KIND [-times N] [-after N]   to try what a failing device does; fault DIR -clear',
  ],
  options: OPTIONS,
  operandsMax: WORDS_MAX,
  example: 'vtl create /srv/library -drives 2 -slots 10 -cartridges 8 -capacity 2g -prefix TAP',
  async run({ options, operands }, context) {
    const [name, given, ...words] = operands;
    const verb = name === undefined ? undefined : VERBS[name];
    const known = Object.keys(VERBS).join(', ');
    if (name === undefined || given === undefined) throw usage(`say ${known}, and a folder`);
    if (verb === undefined) throw usage(`'${name}' is none of ${known}`);
    return (await verb())(context, resolve(context.cwd, given), words, options);
  },
});
