// Asks nbemm, nbrb and the media servers' ltid for devices, libraries and volumes, as much at once as can be. One that
// does not answer costs its part of the answer and a sentence.

import type { Bus } from '@tapestry/bus';
import type { ReadElementsReply, VolumeRow } from '@tapestry/contracts';
import { asStatusError, STATUS, StatusError } from '@tapestry/status';
import type { DeviceFacts } from '../core/device-view.ts';
import type { LibraryFacts } from '../core/library-view.ts';
import type { VolumeQuery } from '../device-schemas.ts';

/** Somebody waits before a screen: a host that hangs must not keep the rest back. */
const HOST_DEADLINE_MS = 3_000;
/** A robot may have to look first. */
const ROBOT_DEADLINE_MS = 10_000;
const ROBOT_VOLUMES_MAX = 20_000;

export async function readDevices(bus: Bus): Promise<DeviceFacts> {
  const nbemm = bus.client('nbemm');
  const problems: string[] = [];
  const ask = async <T>(what: string, call: Promise<T>): Promise<T | null> => {
    try {
      return await call;
    } catch (error) {
      problems.push(`${what}: ${inWords(error)}`);
      return null;
    }
  };
  const [devices, broker, units, ndmpHosts] = await Promise.all([
    ask('The drives are not known now', nbemm.GetDevices({})),
    ask('The broker’s queue is not known now', bus.client('nbrb').Dump({})),
    ask('The disks are not known now', nbemm.ListStorageUnits({})),
    ask('The NDMP hosts are not known now', nbemm.ListNdmpHosts({})),
  ]);
  const owners = (devices?.drives ?? []).map(({ drive }) => drive?.mediaServer ?? '');
  const hosts = [...new Set(owners)].filter((host) => host !== '');
  const tables = await Promise.all(
    hosts.map(async (host) => {
      const ltid = bus.client('ltid', host);
      const options = { deadlineMs: HOST_DEADLINE_MS };
      const [mounts, pending] = await Promise.all([
        ask(`What is in the drives of ${host} is not known now`, ltid.ListMounts({}, options)),
        ltid.ListPending({}, options).catch(() => null),
      ]);
      return {
        mounts: mounts?.mounts ?? [],
        pending: (pending?.requests ?? []).map((request) => ({ ...request, host })),
      };
    }),
  );
  return {
    ...{ devices, broker, units, ndmpHosts, problems },
    mounts: tables.flatMap(({ mounts }) => mounts),
    pending: tables.flatMap(({ pending }) => pending),
  };
}

/** What a robot holds. Errors: 2059 no such robot, and nbemm's. */
export async function readLibrary(bus: Bus, robotNumber: number): Promise<LibraryFacts> {
  const { robots, drives } = await bus.client('nbemm').GetDevices({});
  const robot = robots.find(({ number }) => number === robotNumber);
  if (robot === undefined) {
    throw new StatusError('robotMissing', `there is no robot ${robotNumber}`);
  }
  const [elements, volumes] = await Promise.all([
    readElements(bus, robot.controlHost, robotNumber),
    volumesOfRobot(bus, robotNumber),
  ]);
  return { robotNumber, drives, volumes, ...elements };
}

export async function readVolumes(bus: Bus, query: VolumeQuery) {
  const { after, limit, text, mediaId, state } = query;
  return await bus.client('nbemm').ListVolumes({
    ...{ afterMediaId: after ?? '', limit, text: text ?? '', mediaId: mediaId ?? '' },
    ...{ states: state ?? [], withCounts: true },
  });
}

async function readElements(
  bus: Bus,
  host: string,
  robotNumber: number,
): Promise<{ robot: ReadElementsReply | null; problem: string }> {
  const request = { robotNumber, asBelieved: true, glance: true };
  try {
    const options = { deadlineMs: ROBOT_DEADLINE_MS };
    return { robot: await bus.client('ltid', host).ReadElements(request, options), problem: '' };
  } catch (error) {
    return { robot: null, problem: inWords(error) };
  }
}

async function volumesOfRobot(bus: Bus, robotNumber: number): Promise<readonly VolumeRow[]> {
  const rows: VolumeRow[] = [];
  for (;;) {
    const afterMediaId = rows.at(-1)?.volume?.mediaId ?? '';
    const request = { robotNumber, inRobot: true, afterMediaId };
    const { volumes, more } = await bus.client('nbemm').ListVolumes(request);
    rows.push(...volumes);
    if (!more || volumes.length === 0 || rows.length >= ROBOT_VOLUMES_MAX) return rows;
  }
}

function inWords(error: unknown): string {
  const failure = asStatusError(error);
  const { text } = STATUS[failure.status];
  return `${failure.detail || text} (status ${failure.code})`;
}
