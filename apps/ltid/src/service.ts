// ltid on the bus, and its two clocks: one that looks after silent writers, one that learns the devices after a start.

import type { Handlers } from '@tapestry/bus';
import type { Element } from '@tapestry/contracts';
import { leaseOf } from '@tapestry/runtime/fence';
import { untilAnswered } from '@tapestry/runtime/until-answered';
import { StatusError } from '@tapestry/status';
import type { ElementType, LibraryElement } from '@tapestry/storage';
import type { Robots } from './adapters/robots.ts';
import type { Housekeeping } from './housekeeping.ts';
import type { MountParts, Mounts } from './mounts.ts';
import type { Renewals } from './renewals.ts';

export interface ServiceParts extends Pick<MountParts, 'log' | 'config'> {
  readonly mounts: Mounts;
  readonly renewals: Renewals;
  readonly robots: Robots;
  readonly housekeeping: Housekeeping;
  readonly stopping: AbortSignal;
}

const ELEMENT_NAMES: Readonly<Record<ElementType, string>> = {
  slot: 'slot',
  drive: 'drive',
  importExport: 'import_export',
  robot: 'robot',
};

export function makeHandlers({ mounts, renewals, robots }: ServiceParts): Handlers<'ltid'> {
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
    ReadElements: async ({ robotNumber }, call) => {
      robots.forget();
      const elements = await robots.use(robotNumber, call.signal, (library) => library.rescan());
      return { elements: elements.map(elementRow) };
    },
    ListMounts: async () => ({ mounts: mounts.mountRows() }),
  };
}

function elementRow({ type, index, full, barcode }: LibraryElement): Element {
  return { type: ELEMENT_NAMES[type], number: index + 1, full, barcode: barcode ?? '' };
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
