// bppolicynew: makes a policy, empty or as a copy.

import { command } from '../command.ts';
import { policyName } from '../policy-edit.ts';

export const bppolicynew = command({
  purpose: 'make a policy',
  synopsis: ['POLICY [-sameas SOURCE]'],
  options: {
    sameas: { kind: 'word', value: 'SOURCE', help: 'copy another policy' },
  },
  operandsMax: 1,
  example: 'bppolicynew filers',
  async run({ options, operands }, context) {
    const name = policyName(operands);
    const bpdbm = await context.client('bpdbm');
    await bpdbm.CreatePolicy({ name, sameAs: options.sameas });
    return 0;
  },
});
