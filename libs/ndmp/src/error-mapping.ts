// Error codes as older versions know them. v4's later codes fall back on the nearest word that a v2
// or v3 peer understands; codes of an extension class mean nothing outside v4.

import type { NdmpVersion } from './catalogue-row.ts';
import { NDMP_ERROR } from './constants.ts';

const FALLBACK: Readonly<Record<number, number>> = {
  [NDMP_ERROR.sequenceNumber]: NDMP_ERROR.undefined,
  [NDMP_ERROR.readInProgress]: NDMP_ERROR.illegalState,
  [NDMP_ERROR.precondition]: NDMP_ERROR.illegalState,
  [NDMP_ERROR.classNotSupported]: NDMP_ERROR.notSupported,
  [NDMP_ERROR.versionNotSupported]: NDMP_ERROR.notSupported,
  [NDMP_ERROR.extensionDuplicateClasses]: NDMP_ERROR.notSupported,
  [NDMP_ERROR.extensionNegotiationIllegal]: NDMP_ERROR.notSupported,
};

/** The code that a peer of this version is told. */
export function errorFor(version: NdmpVersion, error: number): number {
  if (version === 4) return error;
  if (version === 2 && error === NDMP_ERROR.connect) return NDMP_ERROR.undefined;
  if (error > NDMP_ERROR.extensionNegotiationIllegal) return NDMP_ERROR.undefined;
  return FALLBACK[error] ?? error;
}

/** An error of an extension: its class in the high half, 0 for the core. */
export function errorClass(error: number): { classId: number; code: number } {
  return { classId: error >>> 16, code: error & 0xffff };
}
