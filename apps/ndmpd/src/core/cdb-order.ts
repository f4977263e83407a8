// EXECUTE_CDB around a device: what the request must look like before the device sees it, and the device's answer in
// the form of the reply.

import { type CdbOrder, type CdbOutcome, NDMP_ERROR, SCSI_FLAGS } from '@tapestry/ndmp';
import { cdbBytes, type ScsiReply } from './scsi-reply.ts';

/** Undefined when the device may have it. */
export function cdbError({ cdb }: CdbOrder): number | undefined {
  const needed = cdbBytes(cdb[0] ?? 0) ?? 1;
  return cdb.length < needed || cdb.length > 32 ? NDMP_ERROR.illegalArgs : undefined;
}

export function cdbRefused(error: number): CdbOutcome {
  return { error, status: 0, dataOutLength: 0, dataIn: Buffer.alloc(0), sense: Buffer.alloc(0) };
}

/** No command of these devices takes data, so none of `dataOut` is ever taken. */
export function cdbAnswered(order: CdbOrder, { status, data, sense }: ScsiReply): CdbOutcome {
  const bytesMax = order.flags & SCSI_FLAGS.dataIn ? order.dataInLength : 0;
  const dataIn = data.subarray(0, bytesMax);
  return { error: NDMP_ERROR.noError, status, dataOutLength: 0, dataIn, sense };
}

export function executeCdb(order: CdbOrder, device: (cdb: Buffer) => ScsiReply): CdbOutcome {
  const error = cdbError(order);
  return error === undefined ? cdbAnswered(order, device(order.cdb)) : cdbRefused(error);
}
