// The thread that alone holds the drive: it answers the calls of the main thread one after the other. Inside a call it may
// sleep on the ring; a stopped ring ends every call soon. Where streams share the drive, none of their calls sleeps.

import { parentPort } from 'node:worker_threads';
import { asStatusError, StatusError } from '@tapestry/status';
import type { Drive } from '@tapestry/storage';
import { FIRST_FRAGMENT, openDiskForRead, openDiskForWrite } from './disk-place.ts';
import { openDrivePath } from './drive-opener.ts';
import { FragmentSource } from './fragment-source.ts';
import { FragmentTarget } from './fragment-target.ts';
import type { FromDrive, Order, ReadOrder, WriteOrder } from './messages.ts';
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
  const parts = { drive: disk.io, ring: held(ring), order, report };
  target = new FragmentTarget({ ...parts, firstFileNumber: FIRST_FRAGMENT });
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
    const { labelled, fileNumber } = await prepareMediumForWrite(opened, order, report);
    const parts = { drive: opened, ring: held(ring), order, report };
    target = new FragmentTarget({ ...parts, firstFileNumber: fileNumber });
    return { labelled, fileNumber };
  },
  openForRead: async (order: ReadOrder) => {
    if (order.disk === null) {
      const drive = await open(order);
      await checkMediumForRead(drive, order, report);
      source = new FragmentSource({ drive, ring: held(ring), order, report });
    } else {
      const disk = await openDiskForRead(order);
      place = disk;
      source = new FragmentSource({ drive: disk.io, ring: held(ring), order, report });
    }
    return { fileNumber: order.fragments[0]?.fileNumber ?? 0 };
  },
  writeStream: async () => ({ bytes: await held(target).writeStream() }),
  closeFragment: async ({ env }) => {
    await held(target).close('streamEnd', env);
    return null;
  },
  readRange: async (range) => ({ bytes: await held(source).readRange(range) }),
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
  shared ??= new SharedThread(async (order, told) => {
    const drive = await open(order);
    const { labelled, fileNumber } = await prepareMediumForWrite(drive, order, told);
    return { drive, labelled, fileNumber };
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
