// bpplinclude: the paths and directives of a policy.

import type { Policy } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import { command, requireSome } from '../command.ts';
import { usage } from '../option-table.ts';
import { changePolicy, policyName, readPolicy } from '../policy-edit.ts';
import { includeRecords, includesLong } from '../render/policy.ts';
import { readLines } from '../text-file.ts';

export const bpplinclude = command({
  purpose: 'list, add, change or delete the backup selections of a policy',
  synopsis: [
    'POLICY [-L | -l | -U]',
    'POLICY -add PATH|"SET NAME=VALUE" ... | -f FILE',
    'POLICY -delete PATH ... | -f FILE',
    'POLICY -modify OLD NEW',
  ],
  options: {
    L: { kind: 'flag', help: 'long listing' },
    l: { kind: 'flag', help: 'records for programs' },
    U: { kind: 'flag', help: 'listing for people' },
    add: { kind: 'list', value: 'PATH', mayBeEmpty: true, help: 'add lines at the end' },
    delete: { kind: 'list', value: 'PATH', mayBeEmpty: true, help: 'take lines out' },
    modify: { kind: 'words', count: 2, value: 'OLD NEW', help: 'change one line' },
    f: { kind: 'word', value: 'FILE', help: 'the lines are those of a file' },
  },
  operandsMax: 1,
  example: 'bpplinclude filers -add /vol/home',
  async run({ options, operands }, context) {
    const name = policyName(operands);
    const { add, delete: gone, modify, f } = options;
    if ([add, gone, modify].filter((each) => each !== undefined).length > 1) {
      throw usage('-add, -delete and -modify exclude each other');
    }
    const fromFile = f === undefined ? [] : readLines(context.cwd, f);
    if (add !== undefined) {
      const lines = some([...add, ...fromFile]);
      await changePolicy(context, name, (policy) => ({
        ...policy,
        includes: [...policy.includes, ...lines],
      }));
    } else if (gone !== undefined) {
      const lines = some([...gone, ...fromFile]);
      await changePolicy(context, name, (policy) => without(policy, lines));
    } else if (modify !== undefined) {
      const [from = '', to = ''] = modify;
      await changePolicy(context, name, (policy) => {
        requireLines(policy, [from]);
        return { ...policy, includes: policy.includes.map((line) => (line === from ? to : line)) };
      });
    } else {
      const policy = await readPolicy(context, name);
      requireSome(policy.includes, `policy ${name} has no backup selections`);
      context.out(options.l ? `${includeRecords(policy).join('\n')}\n` : includesLong(policy));
    }
    return 0;
  },
});

function some(lines: readonly string[]): readonly string[] {
  if (lines.length === 0) throw usage('name the lines, or a file of them with -f');
  return lines;
}

function without(policy: Policy, lines: readonly string[]): Policy {
  requireLines(policy, lines);
  return { ...policy, includes: policy.includes.filter((line) => !lines.includes(line)) };
}

function requireLines(policy: Policy, lines: readonly string[]): void {
  const unknown = lines.find((line) => !policy.includes.includes(line));
  if (unknown !== undefined) {
    throw new StatusError('notFound', `policy ${policy.name} has no line '${unknown}'`);
  }
}
