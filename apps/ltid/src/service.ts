// ltid on the bus, and its two clocks: one that looks after silent writers, one that learns the devices after a start.

import type { Handlers } from '@tapestry/bus';
import { leaseOf } from '@tapestry/runtime/fence';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { StatusError } from '@tapestry/status';
import type { Robots } from './adapters/robots.ts';
import type { Housekeeping } from './housekeeping.ts';
import type { MountParts, Mounts } from './mounts.ts';
import type { Renewals } from './renewals.ts';
import type { RobotDesk } from './robot-desk.ts';

export interface ServiceParts extends Pick<MountParts, 'log' | 'config'> {
  readonly mounts: Mounts;
  readonly renewals: Renewals;
  readonly robots: Robots;
  readonly housekeeping: Housekeeping;
  readonly desk: RobotDesk;
  readonly stopping: AbortSignal;
}

export function makeHandlers({ mounts, renewals, desk }: ServiceParts): Handlers<'ltid'> {
  return {
    Mount: async ({ grant }, call) => {
      if (grant === null) throw new StatusError('invalidRequest', 'the mount names no grant');
      return mounts.mount(grant, call.signal);
    },
    Unmount: async ({ grant }) => {
      await mounts.unmount(leaseOf(grant));
      return {};
    },
    RenewMount: async ({ grant, writerPid }) => renewals.renew(leaseOf(grant), writerPid),
    ReadElements: (request, call) => desk.read(request, call),
    MoveMedium: (request, call) => desk.move(request, call),
    ImportVolumes: ({ robotNumber }, call) => desk.importAll(robotNumber, call),
    EjectVolumes: (request, call) => desk.eject(request, call),
    ListMounts: async () => ({ mounts: mounts.mountRows() }),
  };
}

/** Starts what ltid does by itself; answers how to end it. */
export function startClocks(parts: ServiceParts): { stop(): void } {
  const { mounts, renewals, robots, housekeeping, config, stopping, log } = parts;
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    void mounts
      .look()
      .then(() => housekeeping.run())
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
