// bpplclients: the clients of a policy; for NDMP these are NDMP hosts.

import { StatusError } from '@tapestry/status';
import { command, requireSome } from '../command.ts';
import { usage } from '../option-table.ts';
import { changePolicy, policyName, readPolicy } from '../policy-edit.ts';
import { clientRecords, clientsLong } from '../render/policy.ts';

export const bpplclients = command({
  purpose: 'list, add or delete the clients of a policy',
  synopsis: [
    'POLICY [-L | -l | -U]',
    'POLICY -add HOST NDMP NDMP',
    'POLICY -delete HOST ...',
    '-allunique [-L | -l | -U]',
  ],
  options: {
    L: { kind: 'flag', help: 'long listing' },
    l: { kind: 'flag', help: 'records for programs' },
    U: { kind: 'flag', help: 'listing for people' },
    add: { kind: 'words', count: 3, value: 'HOST HARDWARE OS', help: 'add an NDMP host' },
    delete: { kind: 'list', value: 'HOST', help: 'take hosts out' },
    allunique: { kind: 'flag', help: 'clients of all policies' },
  },
  operandsMax: 1,
  example: 'bpplclients filers -add filer1 NDMP NDMP',
  async run({ options, operands }, context) {
    if (options.allunique) {
      const { policies } = await (await context.client('bpdbm')).ListPolicies({
        inactiveToo: true,
      });
      const clients = [...new Set(policies.flatMap((policy) => policy.clients))].sort();
      requireSome(clients, 'no policy has a client');
      for (const client of clients) {
        context.out(options.l ? `CLIENT ${client} NDMP NDMP\n` : `NDMP  NDMP  ${client}\n`);
      }
      return 0;
    }
    const name = policyName(operands);
    const { add, delete: gone } = options;
    if (add !== undefined && gone !== undefined) throw usage('-add and -delete exclude each other');
    if (add !== undefined) {
      const [host = '', hardware = '', system = ''] = add;
      if (hardware.toUpperCase() !== 'NDMP' || !/^NDMP(,NDMP)?$/i.test(system)) {
        throw new StatusError('invalidParameter', 'hardware and system of a client are NDMP NDMP');
      }
      await changePolicy(context, name, (policy) => {
        if (policy.clients.includes(host)) {
          throw new StatusError('alreadyExists', `policy ${name} has the client ${host} already`);
        }
        return { ...policy, clients: [...policy.clients, host] };
      });
    } else if (gone !== undefined) {
      await changePolicy(context, name, (policy) => {
        const unknown = gone.find((host) => !policy.clients.includes(host));
        if (unknown !== undefined) {
          throw new StatusError('notFound', `policy ${name} has no client ${unknown}`);
        }
        return { ...policy, clients: policy.clients.filter((host) => !gone.includes(host)) };
      });
    } else {
      const policy = await readPolicy(context, name);
      requireSome(policy.clients, `policy ${name} has no clients`);
      context.out(options.l ? `${clientRecords(policy).join('\n')}\n` : clientsLong(policy));
    }
    return 0;
  },
});
