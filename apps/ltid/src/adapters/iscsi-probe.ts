// What is behind an iSCSI portal, as it travels on the bus.

import type { Init, IscsiTarget, ProbeIscsiReply } from '@tapestry/contracts';
import {
  type IscsiPlace,
  iscsiPath,
  type ProbedTarget,
  parsePortal,
  probePortal,
} from '@tapestry/iscsi';
import { toWire } from '@tapestry/status';

/** Errors: 20 no portal, 12 and 223 of the host's iSCSI file, and those of connection and login. */
export async function probeIscsi(
  portal: string,
  place: IscsiPlace,
): Promise<Init<ProbeIscsiReply>> {
  const targets = await probePortal(parsePortal(portal), place);
  return { targets: targets.map(targetRow) };
}

function targetRow(target: ProbedTarget): Init<IscsiTarget> {
  const { name, portal, units, drivesOfChanger, failure } = target;
  return {
    name,
    failure: failure === null ? null : toWire(failure),
    units: units.map(({ lun, kind, vendor, product, revision, serial }) => ({
      ...{ lun, kind: kind ?? '', vendor, product, revision, serial },
      path: iscsiPath({ portal, targetName: name, lun }),
      driveSerials: (drivesOfChanger.get(lun) ?? []).map((each) => each ?? ''),
    })),
  };
}
