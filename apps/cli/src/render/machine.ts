// Machines of the EMM database, as nbemmcmd shows them.

import type { MachineRow } from '@tapestry/contracts';
import { formatDateTime } from '../date-time.ts';
import { fields } from './table.ts';

export function machineLong(machine: MachineRow): string {
  return fields([
    ['MachineName', machine.name],
    ['MachineNbuType', machine.type === 'primary' ? 'master' : machine.type],
    ['MachineState', machine.state],
    ['MachineDescription', machine.description],
    ['Version', machine.version],
    ['Registered', formatDateTime(machine.registeredMs / 1000n)],
  ]);
}
