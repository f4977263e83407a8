// What bpstuadd and bpsturep share: the options that describe a storage unit, and how groups choose.

import type { Init, StorageUnit } from '@tapestry/contracts';
import { type ParsedLine, PRIMARY_SERVER, usage } from './option-table.ts';

export const UNIT_OPTIONS = {
  label: { kind: 'word', value: 'LABEL', help: 'its name' },
  host: { kind: 'word', value: 'HOST', help: 'media server (this machine)' },
  density: { kind: 'word', value: 'DENSITY', help: 'hcart, hcart2, hcart3, dlt ...' },
  rt: { kind: 'word', value: 'TYPE', help: 'robot type' },
  rn: { kind: 'number', value: 'N', help: 'robot number' },
  nh: { kind: 'word', value: 'HOST', help: 'NDMP host that the drives hang on' },
  path: { kind: 'word', value: 'FOLDER', help: 'disk: folder on the media server' },
  dt: { kind: 'number', value: '1', help: 'disk type: 1, BasicDisk' },
  cj: { kind: 'number', value: 'N', help: 'drives, or disk jobs, at once (1)' },
  odo: { kind: 'number', value: '0|1', help: '1: only for policies that name it' },
  mfs: { kind: 'number', value: 'MB', help: 'largest fragment' },
  maxmpx: { kind: 'number', value: 'N', help: 'images on one drive at once: 1 to 32' },
  hwm: { kind: 'number', value: 'PERCENT', help: 'disk: no new job above it (98)' },
  lwm: { kind: 'number', value: 'PERCENT', help: 'disk: room is made down to it (80)' },
  M: PRIMARY_SERVER,
  sm: { kind: 'number', value: '1-4', help: '1 prioritized, 2 failover, 3 round robin, 4 load' },
} as const;

type UnitLine = ParsedLine<typeof UNIT_OPTIONS>['options'];

const BASIC_DISK = 1;
const SELECTIONS = ['prioritized', 'failover', 'round_robin', 'load_balance'];

export function selectionOf(sm: number | undefined): string | undefined {
  if (sm === undefined) return undefined;
  const selection = SELECTIONS[sm - 1];
  if (selection === undefined) throw usage('-sm is 1, 2, 3 or 4');
  return selection;
}

export function codeOfSelection(selection: string): number {
  return SELECTIONS.indexOf(selection) + 1;
}

/** What the line says of a unit; what it leaves out is undefined. Error: 144. */
export function unitOf(options: UnitLine): Init<StorageUnit> {
  const { odo, mfs, dt } = options;
  if (odo !== undefined && odo > 1) throw usage('-odo is 0 or 1');
  if (dt !== undefined && dt !== BASIC_DISK) throw usage('-dt is 1, BasicDisk');
  return {
    ...{ label: options.label, density: options.density, robotNumber: options.rn },
    ...{ mediaServer: options.host, ndmpHost: options.nh, path: options.path },
    ...{ maxDrives: options.cj, maxMpx: options.maxmpx },
    ...{ highWaterMark: options.hwm, lowWaterMark: options.lwm },
    maxFragmentMb: mfs === undefined ? undefined : BigInt(mfs),
    onDemandOnly: odo === undefined ? undefined : odo === 1,
  };
}

/** Labels given apart, or parted by commas. */
export function labelsOf(words: readonly string[]): string[] {
  return words.flatMap((word) => word.split(',')).filter((label) => label !== '');
}
