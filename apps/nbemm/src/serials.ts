// The serial numbers of drives and robots: learnt from the devices by the media servers, and replaced only by who says so.

import type { RecordSerialRequest } from '@tapestry/contracts';
import { checkSerial } from './core/checks.ts';
import { edit, inUse, missing, type Parts, required, type Tx } from './parts.ts';

export async function recordSerial(parts: Parts, request: RecordSerialRequest) {
  const { drive, robotNumber, serial, replace } = request;
  if (serial === '' && !replace) throw required('the serial number');
  checkSerial(serial);
  const what = drive === '' ? `robot ${robotNumber}` : `drive ${drive}`;
  await edit(parts, what, async (tx) => {
    const old = await serialOf(tx, request);
    if (old === undefined) throw missing(what);
    if (old === serial) return;
    if (old !== '' && !replace) {
      throw inUse(`${what} is ${old} on record: ${serial} is another device`);
    }
    await setSerial(tx, request);
  });
  return {};
}

async function serialOf(
  tx: Tx,
  { drive, robotNumber }: RecordSerialRequest,
): Promise<string | undefined> {
  const row =
    drive === ''
      ? tx.selectFrom('robots').select('serial').where('number', '=', robotNumber)
      : tx.selectFrom('drives').select('serial').where('name', '=', drive);
  return (await row.forUpdate().executeTakeFirst())?.serial;
}

async function setSerial(
  tx: Tx,
  { drive, robotNumber, serial }: RecordSerialRequest,
): Promise<void> {
  if (drive === '') {
    await tx.updateTable('robots').set({ serial }).where('number', '=', robotNumber).execute();
  } else {
    await tx.updateTable('drives').set({ serial }).where('name', '=', drive).execute();
  }
}
