// bppldelete: removes a policy. Its images stay.

import { command } from '../command.ts';
import { policyName } from '../policy-edit.ts';

export const bppldelete = command({
  purpose: 'delete a policy (its images stay)',
  synopsis: ['POLICY'],
  options: {},
  operandsMax: 1,
  example: 'bppldelete filers',
  async run({ operands }, context) {
    const name = policyName(operands);
    await (await context.client('bpdbm')).DeletePolicy({ name });
    return 0;
  },
});
