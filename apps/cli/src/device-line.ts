// The options of tpconfig, which several files read.

import type { ParsedLine } from './option-table.ts';

const ANY = /^[^-]/;

export const DEVICE_OPTIONS = {
  add: { kind: 'flag', help: 'add what follows' },
  update: { kind: 'flag', help: 'change what follows' },
  delete: { kind: 'flag', help: 'delete what follows' },
  nh: { kind: 'word', value: 'HOST', help: 'NDMP host; with -robot or -drive: where they hang' },
  default_user_id: {
    kind: 'word',
    value: 'USER',
    help: 'the user for all NDMP hosts that take it',
  },
  use_default: { kind: 'flag', help: 'the NDMP host takes the user for all' },
  filer_user_id: { kind: 'word', value: 'USER', help: 'user at the NDMP host' },
  filer_password_file: {
    kind: 'word',
    value: 'FILE',
    help: 'file with its password; else it is asked for, or read from standard input',
  },
  filer_password: {
    kind: 'maybe',
    pattern: ANY,
    value: 'never',
    help: 'refused: others could see it',
  },
  filer_addr: { kind: 'word', value: 'ADDRESS', help: 'address, when the name is not one' },
  filer_port: { kind: 'number', value: 'PORT', help: 'port (10000)' },
  filer_auth: { kind: 'word', value: 'md5|text', help: 'how it checks passwords (md5)' },
  dnh: { kind: 'maybe', pattern: ANY, value: 'HOST', help: 'list NDMP hosts' },
  robot: { kind: 'number', value: 'N', help: 'robot number' },
  robtype: { kind: 'word', value: 'TYPE', help: 'robot type: tld, acs' },
  robpath: {
    kind: 'word',
    value: 'PATH',
    help: 'robot path: vtl:FOLDER, iscsi://HOST:PORT/TARGET/LUN',
  },
  cntlhost: { kind: 'word', value: 'HOST', help: 'host that controls the robot (this machine)' },
  drive: { kind: 'maybe', pattern: /^\d+(:\d+)*$/, value: 'INDEX', help: 'a drive' },
  drpath: { kind: 'flag', help: 'a path to a drive: -asciiname, -path and the host' },
  drstatus: { kind: 'word', value: 'UP|DOWN', help: 'state of the drive, or of the path' },
  multiple_delete: { kind: 'flag', help: 'delete several drives: -drive I:I:I' },
  type: { kind: 'word', value: 'DENSITY', help: 'hcart, hcart2, hcart3, dlt ...' },
  path: {
    kind: 'word',
    value: 'PATH',
    help: 'drive path: vtl:FOLDER#NUMBER (from 0), iscsi://...',
  },
  asciiname: { kind: 'word', value: 'NAME', help: 'name of the drive' },
  robdrnum: { kind: 'number', value: 'N', help: 'number of the drive in its robot, from 1' },
  host: { kind: 'word', value: 'HOST', help: 'media server of drive, robot or credential' },
  d: { kind: 'flag', help: 'list robots and drives' },
  l: { kind: 'flag', help: 'list them for programs' },
  dl: { kind: 'flag', help: 'list them with everything' },
  emm_dev_list: { kind: 'flag', help: 'list them with everything, of all hosts' },
} as const;

export type DeviceLine = ParsedLine<typeof DEVICE_OPTIONS>['options'];
