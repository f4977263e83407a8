// vmpool: volume pools.

import type { Client } from '@tapestry/bus';
import type { PoolRow } from '@tapestry/contracts';
import { command, requireSome } from '../command.ts';
import { EMM_SERVER, type ParsedLine, usage } from '../option-table.ts';
import { fields, table } from '../render/table.ts';

const OPTIONS = {
  list_all: { kind: 'flag', help: 'list the pools' },
  listall: { kind: 'flag', help: 'the same' },
  list_scratch: { kind: 'flag', help: 'list the scratch pool' },
  b: { kind: 'flag', help: 'a line each' },
  bx: { kind: 'flag', help: 'a line each, with more' },
  create: { kind: 'flag', help: 'make a pool' },
  update: { kind: 'flag', help: 'change a pool' },
  delete: { kind: 'word', value: 'NAME', help: 'delete a pool that is empty' },
  set_scratch: {
    kind: 'word',
    value: 'NAME',
    help: 'others take volumes from it; made if need be',
  },
  unset_scratch: { kind: 'word', value: 'NAME', help: 'a pool like others again' },
  pn: { kind: 'word', value: 'NAME', help: 'its name' },
  description: { kind: 'word', value: 'TEXT', help: 'what it is for' },
  mpf: { kind: 'number', value: 'N', help: 'most volumes begun and not full; 0 for no limit' },
  scratch: { kind: 'flag', help: 'with -create: others take volumes from it' },
  h: EMM_SERVER,
} as const;

type Line = ParsedLine<typeof OPTIONS>['options'];

export const vmpool = command({
  purpose: 'list, make, change or delete volume pools',
  synopsis: [
    '-list_all [-b | -bx] | -list_scratch',
    '-create -pn NAME [-description TEXT] [-mpf N] [-scratch]',
    '-update -pn NAME [-description TEXT] [-mpf N]',
    '-delete NAME | -set_scratch NAME | -unset_scratch NAME',
  ],
  options: OPTIONS,
  example: 'vmpool -create -pn offsite -description "goes to the vault"',
  async run({ options }, context) {
    const nbemm = await context.client('nbemm');
    const { list_scratch } = options;
    const list_all = options.list_all || options.listall;
    if (!list_all && !list_scratch) {
      await change(options, nbemm);
      return 0;
    }
    const { pools } = await nbemm.ListPools({});
    const shown = requireSome(
      pools.filter(({ scratch }) => scratch || list_all),
      'there is no scratch pool',
    );
    if (options.b || options.bx) context.out(brief(shown, options.bx));
    else for (const pool of shown) context.out(`${long(pool)}\n`);
    return 0;
  },
});

async function change(options: Line, nbemm: Client<'nbemm'>): Promise<void> {
  const { create, update, set_scratch, unset_scratch, description, mpf } = options;
  const verbs = [create, update, options.delete, set_scratch, unset_scratch];
  if (verbs.filter((verb) => verb !== undefined && verb !== false).length !== 1) {
    throw usage('one of -list_all, -create, -update, -delete, -set_scratch and -unset_scratch');
  }
  if (options.delete !== undefined) await nbemm.DeletePool({ name: options.delete });
  else if (set_scratch !== undefined) await setScratch(set_scratch, nbemm);
  else if (unset_scratch !== undefined) {
    await nbemm.UpdatePool({ name: unset_scratch, scratch: false, set: ['scratch'] });
  } else if (options.pn === undefined) {
    throw usage(`-${create ? 'create' : 'update'} needs -pn NAME`);
  } else if (create) {
    const { pn: name, scratch } = options;
    await nbemm.AddPool({ name, description, scratch, maxPartiallyFull: mpf });
  } else {
    const set = [
      ...(description === undefined ? [] : ['description']),
      ...(mpf === undefined ? [] : ['maxPartiallyFull']),
    ];
    if (set.length === 0) throw usage('-update needs -description or -mpf');
    await nbemm.UpdatePool({ name: options.pn, description, maxPartiallyFull: mpf, set });
  }
}

async function setScratch(name: string, nbemm: Client<'nbemm'>): Promise<void> {
  const { pools } = await nbemm.ListPools({ name });
  if (pools.length === 0) await nbemm.AddPool({ name, description: 'Scratch Pool', scratch: true });
  else await nbemm.UpdatePool({ name, scratch: true, set: ['scratch'] });
}

function brief(pools: readonly PoolRow[], withMore: boolean): string {
  const titles = [
    ...[{ title: 'pool', right: true }, { title: 'name' }],
    ...(withMore ? [{ title: 'kind' }, { title: 'mpf', right: true }] : []),
    ...(withMore ? [{ title: 'volumes', right: true }] : []),
    { title: 'description' },
  ];
  const rows = pools.map((pool) => [
    ...[String(pool.number), pool.name],
    ...(withMore ? [pool.scratch ? 'scratch' : '-', String(pool.maxPartiallyFull)] : []),
    ...(withMore ? [String(pool.volumes)] : []),
    pool.description,
  ]);
  return table(titles, rows);
}

function long(pool: PoolRow): string {
  return fields([
    ['pool number', pool.number],
    ['pool name', pool.name],
    ['description', pool.description],
    ['scratch pool', pool.scratch ? 'yes' : 'no'],
    ['max partially full', pool.maxPartiallyFull === 0 ? 'no limit' : pool.maxPartiallyFull],
    ['volumes', pool.volumes],
  ]);
}
