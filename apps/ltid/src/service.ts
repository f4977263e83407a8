// ltid on the bus, and its two clocks: one that looks after silent writers, one that learns the devices after a start.

import type { Handlers } from '@tapestry/bus';
import type { AnswerPendingRequest, Grant, MountReply } from '@tapestry/contracts';
import type { IscsiPlace } from '@tapestry/iscsi';
import { type Lease, leaseOf, refOf } from '@tapestry/runtime/fence';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { StatusError } from '@tapestry/status';
import { probeIscsi } from './adapters/iscsi-probe.ts';
import { driveIndexOf, type Robots } from './adapters/robots.ts';
import { whyDue } from './core/cleaning.ts';
import { assignProblem, isPendingAnswer } from './core/pending.ts';
import { driveAt } from './core/plan.ts';
import { judgeAlerts } from './core/tape-alert.ts';
import type { DeviceCheck } from './device-check.ts';
import type { DriveCleaning } from './drive-cleaning.ts';
import type { Housekeeping } from './housekeeping.ts';
import type { Letters } from './letters.ts';
import type { MountParts, Mounts } from './mounts.ts';
import type { PendingRequests } from './pending-requests.ts';
import type { Renewals } from './renewals.ts';
import type { RobotDesk } from './robot-desk.ts';

export interface ServiceParts extends Pick<MountParts, 'log' | 'config'> {
  readonly mounts: Mounts;
  readonly renewals: Renewals;
  readonly robots: Robots;
  readonly housekeeping: Housekeeping;
  readonly desk: RobotDesk;
  readonly pending: PendingRequests;
  readonly cleaning: DriveCleaning;
  readonly deviceCheck: DeviceCheck;
  /** How this host logs in to iSCSI targets. */
  readonly iscsi: IscsiPlace;
  readonly letters: Letters;
  readonly stopping: AbortSignal;
}

export function makeHandlers(parts: ServiceParts): Handlers<'ltid'> {
  const { mounts, renewals, desk, pending } = parts;
  return {
    Mount: ({ grant, tapeAlerts }, call) => {
      const before = grant === null ? undefined : mounts.byLease(leaseOf(grant));
      // A repeat: the table tells of the next volume already, of which nothing was said.
      const isNext = before?.mediaId !== grant?.volume?.mediaId;
      if (before !== undefined && isNext) heedAlerts(parts, before.holder!, tapeAlerts);
      return mount(parts, grant, call.signal);
    },
    Unmount: async ({ grant, tapeAlerts, doubt }) => {
      const lease = leaseOf(grant);
      heedAlerts(parts, lease, tapeAlerts);
      await mounts.unmount(lease, doubt);
      return {};
    },
    ...cleaningHandlers(parts),
    RenewMount: async ({ grant, writerPid }) => renewals.renew(leaseOf(grant), writerPid),
    ReadElements: (request, call) => desk.read(request, call),
    MoveMedium: (request, call) => desk.move(request, call),
    ImportVolumes: ({ robotNumber }, call) => desk.importAll(robotNumber, call),
    EjectVolumes: (request, call) => desk.eject(request, call),
    ListPending: async () => ({ requests: pending.rows() }),
    AnswerPending: (request, call) => answerPending(parts, request, call.signal),
    ProbeIscsi: ({ portal }) => probeIscsi(portal, parts.iscsi),
    ListMounts: async () => ({ mounts: mounts.mountRows() }),
  };
}

/** What the drive said of itself and its volume. Of a mount that is given back already it was heard before. */
function heedAlerts(
  { mounts, letters, cleaning }: ServiceParts,
  lease: Lease,
  tapeAlerts: readonly number[],
): void {
  const row = mounts.byLease(lease);
  if (row === undefined || tapeAlerts.length === 0) return;
  const { drive, mediaId } = row;
  const { condemnsMedium, downsDrive, wantsCleaning, text: detail } = judgeAlerts(tapeAlerts);
  if (condemnsMedium) {
    const grant = refOf(lease);
    letters.mediaEvent({ grant, mediaId, drive, detail, event: 'MEDIA_EVENT_CONDEMNED' });
  }
  if (downsDrive) letters.driveDown(drive, detail);
  if (wantsCleaning) cleaning.change(drive, { wanted: detail });
}

function cleaningHandlers({
  cleaning,
}: ServiceParts): Pick<Handlers<'ltid'>, 'CleanDrive' | 'SetCleaning' | 'ListCleaning'> {
  return {
    CleanDrive: async ({ drive }, call) => {
      await cleaning.clean(drive, call.signal);
      return {};
    },
    SetCleaning: async ({ drive, setFrequency, frequencyHours, reset }) => {
      if (!cleaning.all().some((each) => each.drive === drive)) {
        throw new StatusError('notFound', `this host has no drive ${drive}`);
      }
      if (setFrequency) cleaning.change(drive, { frequencyHours });
      if (reset) cleaning.change(drive, { usedMs: 0, wanted: '' });
      return {};
    },
    ListCleaning: async () => ({
      drives: cleaning.all().map((each) => ({
        ...{ drive: each.drive, frequencyHours: each.frequencyHours, wanted: whyDue(each) },
        ...{ usedMs: BigInt(each.usedMs), lastCleanedMs: BigInt(each.lastMs) },
      })),
    }),
  };
}

/** A caller that has gone leaves the mount to the next one that asks for it. */
async function mount(
  { mounts, renewals, pending }: ServiceParts,
  grant: Grant | null,
  signal: AbortSignal,
): Promise<MountReply> {
  if (grant === null) throw new StatusError('invalidRequest', 'the mount names no grant');
  const lease = leaseOf(grant);
  // Its writer does not live yet, and the grant must not be lost while an operator is on the way.
  if (pending.of(lease) !== undefined) {
    const { valid } = await renewals.renew(lease, 0);
    if (!valid) pending.withdraw(lease);
  }
  const gone = Promise.withResolvers<never>();
  const leave = (): void =>
    gone.reject(new StatusError('connectTimedOut', 'the mount goes on without its caller'));
  signal.addEventListener('abort', leave, { once: true });
  try {
    return await Promise.race([mounts.mount(grant, signal), gone.promise]);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}

async function answerPending(
  { pending, robots }: ServiceParts,
  { id, answer, drive, requester }: AnswerPendingRequest,
  signal: AbortSignal,
) {
  if (!isPendingAnswer(answer)) {
    throw new StatusError('invalidParameter', `'${answer}' is none of assign, deny, resubmit`);
  }
  const request = pending.get(id);
  const { drive: granted, volume } = request.grant;
  if (answer === 'assign') {
    if (drive !== granted!.name) {
      const why = `the grant is for drive ${granted?.name}: the volume belongs there`;
      throw new StatusError('invalidParameter', why);
    }
    const elements = await robots.use(granted!.robotNumber, signal, (each) => each.inventory());
    const wanted = volume!.barcode || volume!.mediaId;
    const problem = assignProblem(driveAt(elements, driveIndexOf(granted!)), wanted);
    if (problem !== null) throw new StatusError(problem.status, problem.detail);
  }
  pending.answer(request, answer, requester);
  return {};
}

/** Starts what ltid does by itself; answers how to end it. */
export function startClocks(parts: ServiceParts): { stop(): void } {
  const { mounts, renewals, robots, housekeeping, config, stopping, log } = parts;
  let looking = false;
  const timer = setInterval(() => {
    void parts.deviceCheck.run();
    if (looking) return;
    looking = true;
    void mounts
      .look()
      .then(() => housekeeping.run())
      .then(() => parts.cleaning.run())
      .catch((error: unknown) => {
        if (!stopping.aborted) log.error({ err: error }, 'looking after the drives failed');
      })
      .finally(() => {
        looking = false;
      });
  }, config.lookEveryMs);
  const learn = untilAnswered((signal) => robots.reload(signal), {
    signal: stopping,
    isAnswer: () => false,
  });
  learn.then(
    () => renewals.report(),
    (error: unknown) => {
      if (!stopping.aborted) log.error({ err: error }, 'the devices of this host are not known');
    },
  );
  return { stop: () => clearInterval(timer) };
}
