// How configuration and EMM write a drive or a robot behind a target: iscsi://host:port/target-name/lun.

import { StatusError } from '@tapestry/status';
import type { Portal } from '../session/send-targets.ts';

export interface IscsiPath {
  readonly portal: Portal;
  readonly targetName: string;
  readonly lun: number;
}

const SCHEME = 'iscsi:';
export const ISCSI_PORT = 3260;
const PORT_MAX = 65_535;
/** What flat addressing reaches. */
const LUN_MAX = 16_383;
/** RFC 7143, 4.2.7: the three kinds of names, at most 223 bytes. */
const TARGET_NAME = /^(?:iqn|eui|naa)\.[a-z0-9.:-]{1,219}$/;
const PORTAL = /^(?:\[([0-9a-f:.]+(?:%\w+)?)\]|([\w.-]+))(?::(\d{1,5}))?$/i;

export function isIscsiPath(path: string): boolean {
  return path.startsWith(SCHEME);
}

export function iscsiPath({ portal, targetName, lun }: IscsiPath): string {
  return `${SCHEME}//${portalText(portal)}/${targetName}/${lun}`;
}

/** `host:port`, IPv6 in brackets. */
export function portalText({ host, port }: Portal): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** The port is 3260 where none is given; names of targets are small letters, as the standard has them. Error: 20. */
export function parseIscsiPath(path: string): IscsiPath {
  const [empty, place = '', target = '', unit = '', ...rest] = path
    .slice(SCHEME.length + 1)
    .split('/');
  const targetName = target.toLowerCase();
  const isWhole =
    path.startsWith(`${SCHEME}//`) &&
    empty === '' &&
    rest.length === 0 &&
    TARGET_NAME.test(targetName) &&
    /^\d{1,5}$/.test(unit) &&
    Number(unit) <= LUN_MAX;
  if (isWhole) return { portal: parsePortal(place), targetName, lun: Number(unit) };
  throw new StatusError('invalidParameter', `"${path}" is not iscsi://host:port/target-name/lun`);
}

/** `host[:port]`. Error: 20. */
export function parsePortal(text: string): Portal {
  const match = PORTAL.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? ISCSI_PORT);
  if (host !== undefined && port > 0 && port <= PORT_MAX) return { host, port };
  throw new StatusError('invalidParameter', `"${text}" is not the host:port of an iSCSI portal`);
}
