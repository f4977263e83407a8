// From a path to the drive or robot that it names, and what is asked of a portal before it has paths. Each unit has one
// seat a host: its isid comes from host, target and unit, so that whoever opens it next ends the session of whoever had it
// before, alive or not. Who may open it is decided by the grants.

import { setTimeout as pause } from 'node:timers/promises';
import { StatusError } from '@tapestry/status';
import type { Drive, DriveOwner, Library } from '@tapestry/storage';
import { ejectCartridge } from '../device/cartridge-eject.ts';
import { openMediaChanger } from '../device/media-changer.ts';
import { openTapeDrive } from '../device/tape-drive.ts';
import { describeUnit, listUnits, type TargetUnit } from '../device/units.ts';
import { IscsiError, toStatusError } from '../iscsi-error.ts';
import { discoverTargets, IscsiSession } from '../net/iscsi-session.ts';
import { makeIsid } from '../net/isid.ts';
import type { Portal, TargetRecord } from '../session/send-targets.ts';
import { type IscsiPath, parseIscsiPath, portalText } from './device-path.ts';
import { accessTo, type IscsiPlace } from './site-file.ts';

const READY_POLL_MS = 1_000;

/**
 * Once the connection is lost, the drive is: whoever has its seat then must not be put out of it again. Errors: 83 or what
 * the connection has (25, 40, 41, 116, 117), 97 and 902 of the owner, 12 and 223 of the site's file.
 */
export async function openIscsiDrive(
  path: string,
  owner: DriveOwner,
  place: IscsiPlace,
): Promise<Drive> {
  const { transport, close } = seatAt(path, place);
  return openTapeDrive({ transport, owner, rejoins: false, onClose: close });
}

/** Errors: those of `openMediaChanger`, 12 and 223. */
export async function openIscsiLibrary(path: string, place: IscsiPlace): Promise<Library> {
  const { transport, close } = seatAt(path, place);
  return openMediaChanger({ transport, onClose: close });
}

/**
 * Lets the cartridge go, so that the robot can take it. `owner` null: nobody holds the drive, as the caller knows.
 * Resolves at once for an empty drive. Errors: those of `openIscsiDrive`, 86 the drive does not unload.
 */
export async function ejectFromIscsiDrive(
  path: string,
  owner: DriveOwner | null,
  place: IscsiPlace,
  timeoutMs: number,
): Promise<void> {
  const { transport, close } = seatAt(path, place);
  try {
    await ejectCartridge(transport, owner, { moveMs: timeoutMs });
  } finally {
    await close();
  }
}

/** Resolves with who the drive is once it has its cartridge loaded. Errors: those of `openIscsiDrive`; 2037 not in time. */
export async function awaitIscsiDrive(
  path: string,
  owner: DriveOwner,
  place: IscsiPlace,
  signal: AbortSignal,
): Promise<TargetUnit> {
  const { session, lun } = openSession(path, place, 'seat');
  const transport = session.device(lun);
  const close = (): Promise<void> => session.close();
  // Whatever the drive is told then comes back at once.
  const leave = (): void => void close();
  signal.addEventListener('abort', leave, { once: true });
  try {
    const drive = await openTapeDrive({ transport, owner, rejoins: false, onClose: close });
    while (!(await drive.loadState()).loaded) {
      await pause(READY_POLL_MS, undefined, { signal });
    }
    const unit = await describeUnit(session, lun);
    await drive.close();
    return unit;
  } catch (error) {
    if (!signal.aborted) throw error instanceof IscsiError ? asStatus(error, path) : error;
    throw new StatusError('driveNotReady', `the drive at ${path} did not get ready in time`);
  } finally {
    signal.removeEventListener('abort', leave);
    await close();
  }
}

/** The unit itself, by its own word: also while somebody else uses it. Errors: those of the connection, 12, 223. */
export async function describeIscsiDevice(path: string, place: IscsiPlace): Promise<TargetUnit> {
  const { lun, session } = openSession(path, place, 'look');
  try {
    return await describeUnit(session, lun);
  } catch (error) {
    throw asStatus(error, path);
  } finally {
    await session.close();
  }
}

export interface ProbedTarget {
  readonly name: string;
  /** Where it was logged in to: the portal that was asked, unless it names others alone. */
  readonly portal: Portal;
  readonly units: readonly TargetUnit[];
  /** Serial numbers of drives by their number in the changer, from 0; of changers that tell them. */
  readonly drivesOfChanger: ReadonlyMap<number, readonly (string | null)[]>;
  /** Why its units are not known. */
  readonly failure: StatusError | null;
}

/** Each target behind a portal with its units. Errors: those of the connection, 12, 223. */
export async function probePortal(portal: Portal, place: IscsiPlace): Promise<ProbedTarget[]> {
  const access = accessTo(null, place);
  const isid = makeIsid(`${access.initiatorName}/discovery`);
  let targets: TargetRecord[];
  try {
    targets = await discoverTargets({ ...access, portal, isid });
  } catch (error) {
    throw asStatus(error, portalText(portal));
  }
  const probed: ProbedTarget[] = [];
  for (const target of targets) probed.push(await probeTarget(target, portal, place));
  return probed;
}

async function probeTarget(
  { name, portals }: TargetRecord,
  asked: Portal,
  place: IscsiPlace,
): Promise<ProbedTarget> {
  // What a target calls itself may be of use in its own network alone: the portal that answered is known to be.
  const isThere = portals.length === 0 || portals.some(({ port }) => port === asked.port);
  const portal = isThere ? asked : { host: portals[0]!.host, port: portals[0]!.port };
  const where = { portal, targetName: name, lun: 0 };
  const drivesOfChanger = new Map<number, readonly (string | null)[]>();
  try {
    const session = sessionAt(where, place, 'look');
    try {
      const units = await listUnits(session);
      for (const { lun, kind } of units) {
        if (kind !== 'changer') continue;
        const library = await openMediaChanger({ transport: session.device(lun) });
        const drives = (await library.inventory()).filter(({ type }) => type === 'drive');
        drivesOfChanger.set(
          lun,
          drives.map(({ driveSerial }) => driveSerial),
        );
      }
      return { name, portal, units, drivesOfChanger, failure: null };
    } finally {
      await session.close();
    }
  } catch (error) {
    return { name, portal, units: [], drivesOfChanger, failure: asStatus(error, name) };
  }
}

function seatAt(path: string, place: IscsiPlace) {
  const { lun, session } = openSession(path, place, 'seat');
  return { transport: session.device(lun), close: () => session.close() };
}

function openSession(path: string, place: IscsiPlace, role: 'seat' | 'look') {
  const where = parseIscsiPath(path);
  return { lun: where.lun, session: sessionAt(where, place, role) };
}

function sessionAt(
  { portal, targetName, lun }: IscsiPath,
  place: IscsiPlace,
  role: 'seat' | 'look',
): IscsiSession {
  const access = accessTo(targetName, place);
  const isid = makeIsid([access.initiatorName, targetName, lun, role].join('/'));
  return new IscsiSession({ ...access, portal, targetName, isid });
}

function asStatus(error: unknown, where: string): StatusError {
  const failure = error instanceof IscsiError ? toStatusError(error) : error;
  if (!(failure instanceof StatusError)) throw error;
  return new StatusError(failure.status, `${where}: ${failure.detail}`, failure.context, {
    cause: failure,
  });
}
