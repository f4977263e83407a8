// The thread that alone holds the drive: it answers the calls of the main thread one after the other. Inside a call it may
// sleep on the ring; a stopped ring ends every call soon. Where streams share the drive, none of their calls sleeps.

import { parentPort } from 'node:worker_threads';
import { asStatusError, StatusError } from '@tapestry/status';
import type { Drive } from '@tapestry/storage';
import { FIRST_FRAGMENT, openDiskForRead, openDiskForWrite } from './disk-place.ts';
import { openDrivePath } from './drive-opener.ts';
import { FragmentSource } from './fragment-source.ts';
import { FragmentTarget } from './fragment-target.ts';
import { labelMedium } from './label-medium.ts';
import type { FromDrive, LabelOrder, Order, ReadOrder, WriteOrder } from './messages.ts';
import { Ring } from './ring.ts';
import { SharedThread } from './shared-thread.ts';
import { tellAlerts } from './tape-alerts.ts';
import type { ThreadCalls, ThreadMessage, ThreadRequest } from './thread-link.ts';
import { checkMediumForRead, prepareMediumForWrite } from './volume-check.ts';

const port = parentPort!;
let ring: Ring | undefined;
/** The drive or the disk: what is closed at the end. */
let place: Pick<Drive, 'close' | 'tapeAlerts'> | undefined;
let target: FragmentTarget | undefined;
let source: FragmentSource | undefined;
/** What the drive was opened for, and is opened for again on another volume. */
let orderNow: Order | undefined;

function report(message: FromDrive): void {
  reportOf(0, message);
}

function reportOf(member: number, message: FromDrive): void {
  port.postMessage({ kind: 'report', member, report: message } satisfies ThreadMessage);
}

async function open(order: Order): Promise<Drive> {
  const drive = await openDrivePath(order.drivePath, order.owner, order);
  place = drive;
  return drive;
}

async function writeOnDisk(order: WriteOrder): Promise<{ labelled: null; fileNumber: number }> {
  const disk = await openDiskForWrite(order);
  place = disk;
  const at = { drive: disk.io, volume: order.volume, firstFileNumber: FIRST_FRAGMENT };
  target = new FragmentTarget({ ring: held(ring), order, report }, at);
  return { labelled: null, fileNumber: FIRST_FRAGMENT };
}

const calls: ThreadCalls = {
  useRing: async (memory) => {
    ring = new Ring(memory);
    return null;
  },
  openForWrite: async (order: WriteOrder) => {
    if (order.disk !== null) return writeOnDisk(order);
    const opened = await open(order);
    const { labelled, fileNumber } = await prepareMediumForWrite(opened, order.volume, report);
    const at = { drive: opened, volume: order.volume, firstFileNumber: fileNumber };
    target = new FragmentTarget({ ring: held(ring), order, report }, at);
    orderNow = order;
    return { labelled, fileNumber };
  },
  openForRead: async (order: ReadOrder) => {
    const parts = { ring: held(ring), order, report };
    if (order.disk === null) {
      const drive = await open(order);
      const fileNumber = await checkMediumForRead(drive, order.volume, order.fragments, report);
      source = new FragmentSource(parts, { drive, mediaId: order.volume.mediaId });
      orderNow = order;
      return { fileNumber };
    }
    const disk = await openDiskForRead(order);
    place = disk;
    source = new FragmentSource(parts, { drive: disk.io, mediaId: order.volume.mediaId });
    return { fileNumber: order.fragments[0]?.fileNumber ?? 0 };
  },
  writeStream: async () => held(target).writeStream(),
  openNext: async ({ drivePath, volume }) => {
    const order = held(orderNow);
    const drive = await open({ ...order, drivePath });
    if (order.mode === 'read') {
      const fileNumber = await checkMediumForRead(drive, volume, order.fragments, report);
      held(source).continueOn({ drive, mediaId: volume.mediaId });
      return { labelled: false, fileNumber };
    }
    const opened = await prepareMediumForWrite(drive, volume, report);
    held(target).continueOn({ drive, volume, firstFileNumber: opened.fileNumber });
    return opened;
  },
  closeFragment: async ({ env }) => {
    await held(target).close('streamEnd', env);
    return null;
  },
  readRange: async (range) => held(source).readRange(range),
  labelMedium: async (order: LabelOrder) => {
    await labelMedium(await open(order), order, report);
    return null;
  },
  closeDrive: async () => {
    const opened = place;
    place = undefined;
    if (opened !== undefined) await tellAlerts(opened, report);
    await opened?.close();
    return null;
  },
};

function held<T>(part: T | undefined): T {
  if (part === undefined) throw new StatusError('mediaOpenError', 'the drive is not open');
  return part;
}

/** Streams that share the drive: made by the first of them. */
let shared: SharedThread | undefined;

function callsOf(member: number): ThreadCalls {
  if (member === 0) return calls;
  shared ??= new SharedThread({
    open: async (order, told) => {
      const drive = await open(order);
      const { labelled, fileNumber } = await prepareMediumForWrite(drive, order.volume, told);
      return { drive, labelled, fileNumber };
    },
    close: async () => {
      await calls.closeDrive();
    },
  });
  return shared.callsOf(member, (message) => reportOf(member, message));
}

async function answer({ id, member, call, argument }: ThreadRequest): Promise<ThreadMessage> {
  try {
    const run = callsOf(member)[call] as (argument: unknown) => Promise<unknown>;
    return { kind: 'answer', id, value: await run(argument) };
  } catch (error) {
    const { status, detail } = asStatusError(error, 'tapeMgrSystemError');
    return { kind: 'error', id, status, detail };
  }
}

let last: Promise<void> = Promise.resolve();
port.on('message', (request: ThreadRequest) => {
  if (request.member > 0) {
    void answer(request).then((message) => port.postMessage(message));
    return;
  }
  last = last.then(async () => port.postMessage(await answer(request)));
});
