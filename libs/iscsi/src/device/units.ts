// What stands behind a target: its logical units with the names by which a configuration knows them again.

import type { IscsiSession } from '../net/iscsi-session.ts';
import { ScsiDevice } from '../scsi/scsi-device.ts';
import * as spc from '../scsi/spc.ts';
import { SCSI_STATUS } from '../scsi/transport.ts';

export interface TargetUnit {
  readonly lun: number;
  /** Null: something else. */
  readonly kind: 'tape' | 'changer' | null;
  readonly vendor: string;
  readonly product: string;
  readonly revision: string;
  /** Of the drive or library itself: the same whatever path leads to it. Empty where the unit tells none. */
  readonly serial: string;
  /** Device identification (VPD page 83h) of the unit. */
  readonly identifiers: readonly spc.Identifier[];
}

const TIMEOUT_MS = 60_000;
const KINDS: Readonly<Record<number, 'tape' | 'changer'>> = {
  [spc.DEVICE_TYPE.tape]: 'tape',
  [spc.DEVICE_TYPE.changer]: 'changer',
};

/** Rejects with `IscsiError`. */
export async function listUnits(session: IscsiSession): Promise<TargetUnit[]> {
  const luns = spc.parseLuns(await ask(session, 0, spc.reportLuns(), spc.REPORT_LUNS_BYTES));
  const units: TargetUnit[] = [];
  for (const lun of luns.length > 0 ? luns : [0]) units.push(await describeUnit(session, lun));
  return units;
}

/** Rejects with `IscsiError`. */
export async function describeUnit(session: IscsiSession, lun: number): Promise<TargetUnit> {
  const inquiry = spc.parseInquiry(await ask(session, lun, spc.inquiry(), spc.INQUIRY_BYTES));
  const page = (code: number): Promise<Buffer> =>
    ask(session, lun, spc.inquiryPage(code), spc.VPD_BYTES);
  const { deviceType, vendor, product, revision } = inquiry;
  return {
    lun,
    kind: KINDS[deviceType] ?? null,
    vendor,
    product,
    revision,
    serial: spc.parseUnitSerial(await page(spc.VPD.unitSerial)),
    identifiers: spc.parseIdentifiers(await page(spc.VPD.deviceIdentification)),
  };
}

/** Empty when the unit refuses. */
async function ask(
  session: IscsiSession,
  lun: number,
  cdb: Buffer,
  replyBytes: number,
): Promise<Buffer> {
  const device = new ScsiDevice(session.device(lun), () => {});
  await device.attach(TIMEOUT_MS);
  const dataIn = Buffer.alloc(replyBytes);
  const outcome = await device.run({ cdb, dataIn, timeoutMs: TIMEOUT_MS, isHarmless: true });
  return outcome.status === SCSI_STATUS.good ? outcome.data : Buffer.alloc(0);
}
