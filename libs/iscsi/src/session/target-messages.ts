// What a target says unasked: asynchronous messages (RFC 7143, 11.9) and the reasons of rejects (11.17).

import { AT } from '../wire/pdu.ts';

/**
 * scsi: sense as for a unit attention. logoutWanted: the session is to be given up within `withinSeconds`.
 * connectionLost: the target drops the connection, or all of them. tasksEnded: it ended all commands of one device.
 */
export type AsyncEvent =
  | { readonly kind: 'scsi'; readonly sense: Buffer }
  | { readonly kind: 'logoutWanted'; readonly withinSeconds: number }
  | { readonly kind: 'connectionLost' }
  | { readonly kind: 'tasksEnded' }
  | { readonly kind: 'vendor'; readonly code: number };

export function decodeAsync(header: Buffer, data: Buffer): AsyncEvent {
  const code = header[36] ?? 0;
  const seconds = header.readUInt16BE(42);
  if (code === 0) {
    const bytes = data.length < 2 ? 0 : data.readUInt16BE(0);
    return { kind: 'scsi', sense: Buffer.from(data.subarray(2, 2 + bytes)) };
  }
  // 4 asks for a negotiation anew, which a new session gives as well.
  if (code === 1 || code === 4) return { kind: 'logoutWanted', withinSeconds: seconds };
  if (code === 2 || code === 3) return { kind: 'connectionLost' };
  if (code === 5) return { kind: 'tasksEnded' };
  return { kind: 'vendor', code };
}

const REASONS: Readonly<Record<number, string>> = {
  2: 'data digest error',
  3: 'SNACK refused',
  4: 'protocol error',
  5: 'not supported',
  6: 'too many immediate requests',
  7: 'task in progress',
  8: 'data acknowledgement not expected',
  9: 'a field is not valid',
  10: 'out of resources',
  12: 'waiting for logout',
};

export function rejectReason(header: Buffer): string {
  const reason = header[AT.response] ?? 0;
  return REASONS[reason] ?? `reason ${reason}`;
}
