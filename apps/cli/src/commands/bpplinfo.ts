// bpplinfo: shows and sets the attributes of a policy.

import type { Policy } from '@tapestry/contracts';
import { command } from '../command.ts';
import { usage } from '../option-table.ts';
import { changePolicy, cleared, policyName, readPolicy } from '../policy-edit.ts';
import { infoRecord, policyAttributes } from '../render/policy.ts';
import { orNull } from '../render/table.ts';

const NO_LIMIT_FROM = 999;

export const bpplinfo = command({
  purpose: 'show or set the attributes of a policy',
  synopsis: [
    'POLICY [-L | -l | -U]',
    'POLICY -set|-modify [-active|-inactive] [-pt NDMP] [-residence UNIT] [-pool POOL]',
    '       [-priority N] [-policyjobs N] [-keyword TEXT]',
  ],
  options: {
    L: { kind: 'flag', help: 'long listing' },
    l: { kind: 'flag', help: 'records for programs' },
    U: { kind: 'flag', help: 'listing for people' },
    set: { kind: 'flag', help: 'set what follows, the rest to its default' },
    modify: { kind: 'flag', help: 'set what follows, keep the rest' },
    active: { kind: 'flag', help: 'let it run' },
    inactive: { kind: 'flag', help: 'keep it from running' },
    pt: { kind: 'word', value: 'NDMP', help: 'policy type' },
    residence: { kind: 'word', value: 'UNIT', help: 'storage unit; *NULL* for any available' },
    pool: { kind: 'word', value: 'POOL', help: 'volume pool' },
    priority: { kind: 'number', value: 'N', help: 'job priority, higher first' },
    policyjobs: { kind: 'number', value: 'N', help: 'jobs at once; 0 or 999 for no limit' },
    keyword: { kind: 'word', value: 'TEXT', help: 'keyword phrase' },
  },
  operandsMax: 1,
  example: 'bpplinfo filers -modify -active -residence unit1 -pool NetBackup',
  async run({ options, operands }, context) {
    const name = policyName(operands);
    if (!options.set && !options.modify) {
      const policy = await readPolicy(context, name);
      context.out(options.l ? attributeRecords(policy) : policyAttributes(policy));
      return 0;
    }
    if (options.active && options.inactive) throw usage('-active and -inactive exclude each other');
    const jobs = options.policyjobs;
    await changePolicy(context, name, (read) => {
      const policy = options.set ? withDefaults(read) : read;
      return {
        ...policy,
        active: options.active || (policy.active && !options.inactive),
        type: options.pt ?? policy.type,
        residence: cleared(options.residence, policy.residence),
        pool: cleared(options.pool, policy.pool),
        priority: options.priority ?? policy.priority,
        maxJobs: jobs === undefined ? policy.maxJobs : jobs >= NO_LIMIT_FROM ? 0 : jobs,
        keyword: cleared(options.keyword, policy.keyword),
      };
    });
    return 0;
  },
});

function withDefaults(policy: Policy): Policy {
  const attributes = { residence: '', pool: 'NetBackup', priority: 0, maxJobs: 0, keyword: '' };
  return { ...policy, active: true, type: 'NDMP', ...attributes };
}

function attributeRecords(policy: Policy): string {
  const records = [
    infoRecord(policy),
    `KEY ${orNull(policy.keyword)}`,
    `RES ${orNull(policy.residence)}`,
    `POOL ${orNull(policy.pool)}`,
  ];
  return `${records.join('\n')}\n`;
}
