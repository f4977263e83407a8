// bppllist: names of policies, or all that they say.

import { command, requireSome } from '../command.ts';
import { readPolicy } from '../policy-edit.ts';
import { policyLong, policyRecords } from '../render/policy.ts';

export const bppllist = command({
  purpose: 'list policies',
  synopsis: ['[POLICY] [-L | -l | -U] [-inactive]', '-allpolicies|-byclient CLIENT [-L | -l | -U]'],
  options: {
    L: { kind: 'flag', help: 'long listing' },
    l: { kind: 'flag', help: 'records for programs' },
    U: { kind: 'flag', help: 'listing for people' },
    allpolicies: { kind: 'flag', help: 'everything about all policies' },
    byclient: { kind: 'word', value: 'CLIENT', help: 'policies that name this client' },
    inactive: { kind: 'flag', help: 'inactive policies too (always shown)' },
  },
  operandsMax: 1,
  example: 'bppllist filers -L',
  async run({ options, operands }, context) {
    const [name] = operands;
    if (name !== undefined) {
      const policy = await readPolicy(context, name);
      context.out(options.l ? policyRecords(policy) : policyLong(policy));
      return 0;
    }
    const bpdbm = await context.client('bpdbm');
    const { policies } = await bpdbm.ListPolicies({ inactiveToo: true });
    const { byclient } = options;
    const chosen = requireSome(
      byclient === undefined
        ? policies
        : policies.filter((each) => each.clients.includes(byclient)),
      byclient === undefined ? 'there is no policy yet' : `no policy names the client ${byclient}`,
    );
    const whole = options.allpolicies || byclient !== undefined;
    for (const policy of chosen) {
      if (!whole && !options.L && !options.U) context.out(`${policy.name}\n`);
      else context.out(options.l ? policyRecords(policy) : `${policyLong(policy)}\n`);
    }
    return 0;
  },
});
