// vmpool: lists and makes volume pools.

import { command } from '../command.ts';
import { usage } from '../option-table.ts';
import { fields, table } from '../render/table.ts';

export const vmpool = command({
  purpose: 'list or make volume pools',
  synopsis: ['-list_all [-b | -bx]', '-create -pn NAME [-description TEXT] [-scratch]'],
  options: {
    list_all: { kind: 'flag', help: 'list the pools' },
    b: { kind: 'flag', help: 'a line each' },
    bx: { kind: 'flag', help: 'a line each, with more' },
    create: { kind: 'flag', help: 'make a pool' },
    pn: { kind: 'word', value: 'NAME', help: 'its name' },
    description: { kind: 'word', value: 'TEXT', help: 'what it is for' },
    scratch: { kind: 'flag', help: 'it is the pool that others take volumes from' },
  },
  example: 'vmpool -create -pn offsite -description "goes to the vault"',
  async run({ options }, context) {
    const nbemm = await context.client('nbemm');
    if (options.create) {
      if (options.pn === undefined) throw usage('-create needs -pn NAME');
      const { pn: name, description, scratch } = options;
      await nbemm.AddPool({ name, description, scratch });
      return 0;
    }
    if (!options.list_all) throw usage('-list_all or -create');
    const { pools } = await nbemm.ListPools({});
    if (options.b || options.bx) {
      const rows = pools.map((pool) => [
        String(pool.number),
        pool.name,
        ...(options.bx ? [pool.scratch ? 'scratch' : '-'] : []),
        pool.description,
      ]);
      const extra = options.bx ? [{ title: 'kind' }] : [];
      const titles = [{ title: 'pool', right: true }, { title: 'name' }, ...extra];
      context.out(table([...titles, { title: 'description' }], rows));
      return 0;
    }
    for (const pool of pools) {
      context.out(
        `${fields([
          ['pool number', pool.number],
          ['pool name', pool.name],
          ['description', pool.description],
          ['scratch pool', pool.scratch ? 'yes' : 'no'],
        ])}\n`,
      );
    }
    return 0;
  },
});
