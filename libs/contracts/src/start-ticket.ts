// The ticket with which nbjm starts a run on a media server, and bpcd checks that it is nbjm's. Both sides of the
// rule stand here: Ed25519 over a fixed header, the two times (big-endian, 8 bytes each) and the encoded RunSpec.

import { type KeyObject, sign, verify } from 'node:crypto';
import { StatusError } from '@tapestry/status';
import type { StartRequest } from '../gen/types.ts';

/** Keeps a signature over a start from ever being one over something else. */
const HEADER = Buffer.from('tapestry start ticket 1\0');
/** Clocks of two hosts may differ by this much. */
const SKEW_MS = 60_000n;

export interface StartTicket {
  /** Encoded RunSpec, exactly as signed. */
  readonly runSpec: Uint8Array;
  readonly issuedMs: bigint;
  readonly expiresMs: bigint;
}

/** The StartRequest that carries the ticket. */
export function signStart(privateKey: KeyObject, ticket: StartTicket): StartRequest {
  const { runSpec, issuedMs, expiresMs } = ticket;
  return {
    runSpec,
    issuedMs,
    expiresMs,
    signature: sign(null, signedBytes(ticket), privateKey),
  };
}

/** Errors: 46 when the signature is not nbjm's, or the ticket is not valid at this time. */
export function verifyStart(publicKey: KeyObject, request: StartRequest, nowMs: number): void {
  if (!verify(null, signedBytes(request), publicKey, request.signature)) {
    throw new StatusError('accessNotAllowed', 'the start was not signed by nbjm');
  }
  const now = BigInt(Math.trunc(nowMs));
  if (now + SKEW_MS < request.issuedMs || now - SKEW_MS > request.expiresMs) {
    throw new StatusError(
      'accessNotAllowed',
      'the start is too old or from the future: compare the clocks of this host and the primary server',
    );
  }
}

function signedBytes({ runSpec, issuedMs, expiresMs }: StartTicket): Buffer {
  const times = Buffer.alloc(16);
  times.writeBigUInt64BE(issuedMs, 0);
  times.writeBigUInt64BE(expiresMs, 8);
  return Buffer.concat([HEADER, times, runSpec]);
}
