// On the drive thread: the calls of streams that share the drive. The first one opens it, each has a ring of its own, and
// when one of them is broken off the others do not notice.

import { StatusError } from '@tapestry/status';
import type { BlockSink } from '@tapestry/storage';
import { Bell } from './bell.ts';
import type { FromDrive, WriteOrder } from './messages.ts';
import { MultiplexTarget } from './multiplex-target.ts';
import { Ring } from './ring.ts';
import type { ThreadCalls } from './thread-link.ts';

type Report = (message: FromDrive) => void;

interface Opened {
  readonly drive: BlockSink;
  readonly labelled: boolean;
  readonly fileNumber: number;
}

/** Opens the drive and leaves the tape where the first file begins. */
type Open = (order: WriteOrder, report: Report) => Promise<Opened>;

export class SharedThread {
  readonly #open: Open;
  readonly #rings = new Map<number, Ring>();
  #target: Promise<{ target: MultiplexTarget; labelled: boolean }> | undefined;

  constructor(open: Open) {
    this.#open = open;
  }

  callsOf(member: number, report: Report): ThreadCalls {
    return {
      useRing: async (memory) => {
        this.#rings.set(member, new Ring(memory));
        return null;
      },
      openForWrite: async (order) => {
        const ring = this.#rings.get(member);
        if (ring === undefined || ring.memory.bell === null) throw noWay('has no ring');
        const isFirst = this.#target === undefined;
        this.#target ??= this.#begin(order, new Bell(ring.memory.bell), report);
        const { target, labelled } = await this.#target;
        target.join({ member, order, ring, report });
        return { labelled: isFirst && labelled, fileNumber: target.fileNumber };
      },
      writeStream: async () => {
        const bytes = await (await this.#joined()).writeStream(member);
        return { bytes, full: false };
      },
      closeFragment: async ({ env }) => {
        await (await this.#joined()).closeFragment(member, env);
        return null;
      },
      closeDrive: async () => {
        this.#rings.delete(member);
        // A drive that did not open was joined by nobody.
        const { target } = (await this.#target?.catch(() => undefined)) ?? {};
        target?.leave(member);
        return null;
      },
      openNext: async () => {
        throw noWay('goes on upon no other volume');
      },
      openForRead: async () => {
        throw noWay('reads');
      },
      readRange: async () => {
        throw noWay('reads');
      },
      labelMedium: async () => {
        throw noWay('labels');
      },
    };
  }

  async #begin(order: WriteOrder, bell: Bell, report: Report) {
    const { drive, labelled, fileNumber } = await this.#open(order, report);
    const target = new MultiplexTarget({ drive, bell, order, firstFileNumber: fileNumber });
    return { target, labelled };
  }

  async #joined(): Promise<MultiplexTarget> {
    if (this.#target === undefined) throw noWay('has not joined');
    return (await this.#target).target;
  }
}

function noWay(what: string): StatusError {
  return new StatusError('invalidRequest', `a stream of a shared drive ${what}`);
}
