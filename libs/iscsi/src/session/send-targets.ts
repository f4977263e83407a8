// The answer of a discovery session (RFC 7143, appendix C): targets and where they are reached.

import { protocolError } from '../iscsi-error.ts';
import { decodeKeys } from '../wire/text-keys.ts';

export interface Portal {
  readonly host: string;
  readonly port: number;
}

export interface TargetRecord {
  readonly name: string;
  /** Empty: the portal that was asked. */
  readonly portals: readonly (Portal & { readonly portalGroup: number | null })[];
}

const DEFAULT_PORT = 3260;
const TARGETS_MAX = 4096;
const PORTALS_MAX = 64;

export function parseSendTargets(text: Buffer): TargetRecord[] {
  const targets: { name: string; portals: (Portal & { portalGroup: number | null })[] }[] = [];
  for (const [key, value] of decodeKeys(text)) {
    const target = targets.at(-1);
    if (key === 'TargetName') targets.push({ name: value, portals: [] });
    else if (key === 'TargetAddress' && target) target.portals.push(parseTargetAddress(value));
    if (targets.length > TARGETS_MAX || (target?.portals.length ?? 0) > PORTALS_MAX) {
      throw protocolError('more targets than one portal can have');
    }
  }
  return targets;
}

/** host[:port][,group] with IPv6 in brackets. */
export function parseTargetAddress(text: string): Portal & { portalGroup: number | null } {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^[\]:,\s]+))(?::(\d{1,5}))?(?:,(\d{1,5}))?$/.exec(
    text,
  );
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3] ?? DEFAULT_PORT);
  if (host === undefined || port < 1 || port > 65_535) {
    throw protocolError('a target address that cannot be read');
  }
  return { host, port, portalGroup: match?.[4] === undefined ? null : Number(match[4]) };
}
