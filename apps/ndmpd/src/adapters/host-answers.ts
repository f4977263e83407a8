// Answers to CONFIG requests from what this host is and what it exports.

import { readFileSync } from 'node:fs';
import { statfs } from 'node:fs/promises';
import { hostname, release, type as systemType } from 'node:os';
import {
  AUTH_TYPE,
  BUTYPE_ATTR,
  BUTYPE_ATTR_V2,
  type ButypeInfo,
  type DeviceInfo,
  FS_INFO_UNSUPPORTED,
  type FsInfo,
  NDMP_ERROR,
  type RequestName,
  TAPE_ATTR,
  U64_MAX,
} from '@tapestry/ndmp';
import type { Export } from '../core/export-path.ts';
import { BUTYPES } from '../core/operation-plan.ts';

export const VENDOR = 'Tapestry';
export const PRODUCT = 'Tapestry ndmpd';
export const REVISION = '0.1.0';

const ATTRS =
  BUTYPE_ATTR.backupDirect |
  BUTYPE_ATTR.recoverFileList |
  BUTYPE_ATTR.recoverDirect |
  BUTYPE_ATTR.backupIncremental |
  BUTYPE_ATTR.recoverIncremental |
  BUTYPE_ATTR.backupUtf8 |
  BUTYPE_ATTR.recoverUtf8 |
  BUTYPE_ATTR.backupHistoryFile |
  BUTYPE_ATTR.backupHistoryDir |
  BUTYPE_ATTR.recoverFileHistory;

const butypeInfo = (name: string): ButypeInfo => ({
  name,
  defaultEnv: [
    { name: 'HIST', value: 'n' },
    { name: 'DIRECT', value: 'n' },
    { name: 'RECURSIVE', value: 'y' },
    { name: 'LEVEL', value: '0' },
    { name: 'UPDATE', value: 'y' },
    { name: 'BASE_DATE', value: '-1' },
    { name: 'EXTRACT', value: 'y' },
    { name: 'PATHNAME_SEPARATOR', value: '/' },
  ],
  attrs: ATTRS,
});

/** v2 tells what a type cannot do. */
const ATTRS_V2 = BUTYPE_ATTR_V2.noBackupFileList | BUTYPE_ATTR_V2.noRecoverIncrementalOnly;

export interface HostAnswers {
  readonly version: number;
  readonly exports: readonly Export[];
  readonly allowText: boolean;
  /** The devices of the tape library; empty without one. */
  readonly devices: (service: 'tape' | 'scsi') => Promise<readonly DeviceInfo[]>;
  /** Names of this server are for those who logged in. */
  readonly isAuthenticated: boolean;
}

/** The reply's fields beside its error word. */
export async function answer(
  name: RequestName,
  body: Record<string, unknown>,
  facts: HostAnswers,
): Promise<Record<string, unknown>> {
  switch (name) {
    case 'configGetHostInfo':
      return hostInfo(facts);
    case 'configGetServerInfo':
      return serverInfo(facts);
    case 'configGetButypeInfo':
      return { butypes: BUTYPES.map(butypeInfo) };
    case 'configGetFsInfo':
      return { fileSystems: await Promise.all(facts.exports.map(fileSystemOf)) };
    case 'configGetButypeAttr':
      return BUTYPES.some((butype) => butype === body.name)
        ? { attrs: ATTRS_V2 }
        : { error: NDMP_ERROR.illegalArgs };
    case 'configGetTapeInfo':
      return { devices: devicesFor(facts.version, await facts.devices('tape')) };
    case 'configGetScsiInfo':
      return { devices: await facts.devices('scsi') };
    default:
      return {};
  }
}

/** Opening a drive as it is came with v4, and its attribute with it. */
function devicesFor(version: number, devices: readonly DeviceInfo[]): DeviceInfo[] {
  const mask = version === 4 ? ~0 : ~TAPE_ATTR.rawOpen;
  return devices.map(({ model, capabilities }) => ({
    model,
    capabilities: capabilities.map((each) => ({ ...each, attr: each.attr & mask })),
  }));
}

function authTypesOf({ allowText }: HostAnswers): number[] {
  return allowText ? [AUTH_TYPE.md5, AUTH_TYPE.text] : [AUTH_TYPE.md5];
}

/** v2 has no other place to name the log-in methods. */
function hostInfo(facts: HostAnswers): Record<string, unknown> {
  const system = { osType: systemType(), osVersion: release() };
  return { hostname: hostname(), ...system, hostId: hostId(), authTypes: authTypesOf(facts) };
}

function serverInfo(facts: HostAnswers): Record<string, unknown> {
  const { isAuthenticated } = facts;
  const authTypes = authTypesOf(facts);
  if (!isAuthenticated) return { vendor: '', product: '', revision: '', authTypes };
  return { vendor: VENDOR, product: PRODUCT, revision: REVISION, authTypes };
}

/** Unique and lasting: systemd's machine id where there is one. */
function hostId(): string {
  try {
    return readFileSync('/etc/machine-id', 'utf8').trim() || hostname();
  } catch {
    return hostname();
  }
}

async function fileSystemOf({ name, directory }: Export): Promise<FsInfo> {
  const base = {
    fsType: 'posix',
    logicalDevice: `/${name}`,
    physicalDevice: directory,
    env: [
      { name: 'LOCAL', value: 'y' },
      { name: 'TYPE', value: 'tar' },
      { name: 'AVAILABLE_BACKUP', value: BUTYPES.join(',') },
      { name: 'AVAILABLE_RECOVERY', value: BUTYPES.join(',') },
    ],
  };
  try {
    const facts = await statfs(directory, { bigint: true });
    return {
      ...base,
      unsupported: 0,
      totalSize: facts.blocks * facts.bsize,
      usedSize: (facts.blocks - facts.bfree) * facts.bsize,
      availSize: facts.bavail * facts.bsize,
      totalInodes: facts.files,
      usedInodes: facts.files - facts.ffree,
      status: 'online',
    };
  } catch {
    return { ...base, ...UNKNOWN_SIZES, status: 'offline' };
  }
}

const UNKNOWN_SIZES = {
  unsupported: Object.values(FS_INFO_UNSUPPORTED).reduce((mask, bit) => mask | bit, 0),
  totalSize: U64_MAX,
  usedSize: U64_MAX,
  availSize: U64_MAX,
  totalInodes: U64_MAX,
  usedInodes: U64_MAX,
};
