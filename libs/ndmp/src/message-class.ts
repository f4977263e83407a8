// What the number of a message says about where it comes from: v2 and v3 keep two ranges for vendors,
// v4 has classes, which both sides agree on before they are used.

import type { NdmpVersion } from './catalogue-row.ts';

export type MessageOrigin =
  | 'core'
  | 'vendor'
  | 'prototype'
  | 'standard'
  | 'proprietary'
  | 'test'
  | 'reserved';

export interface MessageClass {
  readonly origin: MessageOrigin;
  /** v4's extension class; 0 is the core. */
  readonly classId: number;
  /** The message within its class. */
  readonly code: number;
  /** Who registered the class, where that is known. */
  readonly owner?: string;
}

/** Each owner has four classes from here on. */
const OWNERS: Readonly<Record<number, string>> = {
  8192: 'Auspex',
  8208: 'Compaq',
  8224: 'Crosstor',
  8240: 'IBM',
  8256: 'Legato',
  8272: 'NetApp',
  8288: 'Procom',
  8304: 'Spectralogic',
  8320: 'BlueArc',
  8336: 'Syncsort',
  8352: 'Traakan',
  8368: 'Veritas',
  8384: 'Reliaty',
  8400: 'EMC',
  8416: 'Atempo',
  8432: 'VA Linux',
  8448: 'BakBone',
  8464: 'CommVault',
  8480: 'Mirapoint',
  8496: 'Network Engines',
  8512: 'Quantum',
  8528: 'HP',
  8544: 'Broadband Storage',
  8560: 'Microtal',
  8576: 'Land-5',
  8592: 'Hitachi',
  8608: 'Agile',
  8624: 'Spinnaker',
  8640: 'Overland',
  8656: 'Dinostor',
};
const CLASSES_PER_OWNER = 4;

/** The class of the messages that negotiation is tried out with. */
export const TEST_CLASS = 0x7ff0;

/** Data connections over IPv6: adds an address type and no message. NetApp's connection address extension. */
export const IPV6_CLASS = 0x2051;

export function classOfMessage(version: NdmpVersion, code: number): MessageClass {
  if (version < 4) return { origin: olderOrigin(code), classId: 0, code };
  const classId = code >>> 16;
  const owner = ownerOf(classId);
  const found = { origin: originOfClass(classId), classId, code: code & 0xffff };
  return owner === undefined ? found : { ...found, owner };
}

function olderOrigin(code: number): MessageOrigin {
  if (code >= 0xff00 && code <= 0xffff) return 'prototype';
  if (code >= 0xf000 && code < 0xff00) return 'vendor';
  return code > 0xffff ? 'reserved' : 'core';
}

function originOfClass(classId: number): MessageOrigin {
  if (classId === 0) return 'core';
  if (classId <= 0x0007) return 'standard';
  if (classId >= 0x2000 && classId <= 0x7fef) return 'proprietary';
  if (classId >= TEST_CLASS && classId <= 0x7ffe) return 'test';
  return 'reserved';
}

function ownerOf(classId: number): string | undefined {
  const first = classId & ~0xf;
  return classId - first < CLASSES_PER_OWNER ? OWNERS[first] : undefined;
}
