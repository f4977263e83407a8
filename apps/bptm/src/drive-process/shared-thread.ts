// On the drive thread: the calls of streams that share the drive. The first one opens it, each has a ring of its own, and
// when one of them is broken off the others do not notice. When the volume is full each asks for another; what is brought
// is opened once for all of them.

import { StatusError } from '@tapestry/status';
import type { BlockSink } from '@tapestry/storage';
import { Bell } from './bell.ts';
import type { FromDrive, NextVolume, WriteOrder } from './messages.ts';
import { MultiplexTarget } from './multiplex-target.ts';
import { Ring } from './ring.ts';
import type { ThreadCalls } from './thread-link.ts';

type Report = (message: FromDrive) => void;

interface Opened {
  readonly drive: BlockSink;
  readonly labelled: boolean;
  readonly fileNumber: number;
}

export interface SharedDriveCalls {
  /** Opens the drive and leaves the tape where the first file begins. */
  open(order: WriteOrder, report: Report): Promise<Opened>;
  /** Gives it back; harmless when it is not open. */
  close(): Promise<void>;
}

interface Begun {
  readonly target: MultiplexTarget;
  readonly order: WriteOrder;
  readonly labelled: boolean;
}

/** A volume on which all go on, by whomever it was brought. */
type Continued = Promise<{ labelled: boolean; fileNumber: number }>;

export class SharedThread {
  readonly #calls: SharedDriveCalls;
  readonly #rings = new Map<number, Ring>();
  /** Streams that were told that the volume is full, and have not asked for the next. */
  readonly #away = new Set<number>();
  #begun: Promise<Begun> | undefined;
  /** By media id: also those that proved unfit, for who is late. */
  readonly #continued = new Map<string, Continued>();
  #opening = 0;

  constructor(calls: SharedDriveCalls) {
    this.#calls = calls;
  }

  callsOf(member: number, report: Report): ThreadCalls {
    return {
      useRing: async (memory) => {
        this.#rings.set(member, new Ring(memory));
        return null;
      },
      openForWrite: (order) => this.#join(member, order, report),
      writeStream: async () => {
        const { target } = await this.#joined();
        const written = await target.writeStream(member);
        if (written.full) this.#away.add(member);
        return written;
      },
      openNext: (next) => this.#goOn(member, next, report),
      closeFragment: async ({ env }) => {
        const { target } = await this.#joined();
        await target.closeFragment(member, env);
        return null;
      },
      closeDrive: async () => {
        // For another volume to be brought; or because the stream is over.
        if (this.#away.delete(member)) await this.#giveBack();
        else await this.#leave(member);
        return null;
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

  async #join(member: number, order: WriteOrder, report: Report) {
    const ring = this.#rings.get(member);
    if (ring === undefined || ring.memory.bell === null) throw noWay('has no ring');
    const isFirst = this.#begun === undefined;
    this.#begun ??= this.#begin(order, new Bell(ring.memory.bell), report);
    const { target, labelled } = await this.#begun;
    target.join({ member, order, ring, report });
    return { labelled: isFirst && labelled, fileNumber: target.fileNumber };
  }

  async #begin(order: WriteOrder, bell: Bell, report: Report): Promise<Begun> {
    const { drive, labelled, fileNumber } = await this.#calls.open(order, report);
    const place = { drive, volume: order.volume, firstFileNumber: fileNumber };
    return { target: new MultiplexTarget({ bell, order }, place), order, labelled };
  }

  async #goOn(member: number, next: NextVolume, report: Report) {
    const { mediaId } = next.volume;
    const opened = this.#continued.get(mediaId) ?? this.#open(next, report);
    this.#continued.set(mediaId, opened);
    try {
      return await opened;
    } catch (error) {
      // It waits for another one still.
      this.#away.add(member);
      throw error;
    }
  }

  async #open({ drivePath, volume }: NextVolume, report: Report) {
    this.#opening += 1;
    try {
      const { target, order } = await this.#joined();
      const opened = await this.#calls.open({ ...order, drivePath, volume }, report);
      const { drive, labelled, fileNumber } = opened;
      target.continueOn({ drive, volume, firstFileNumber: fileNumber });
      return { labelled, fileNumber };
    } finally {
      this.#opening -= 1;
    }
  }

  /** Whoever is late finds that others have gone on, or are about to: the drive is in use again. */
  async #giveBack(): Promise<void> {
    const { target } = await this.#joined();
    if (target.isAwaiting && this.#opening === 0) await this.#calls.close();
  }

  async #leave(member: number): Promise<void> {
    this.#rings.delete(member);
    // A drive that did not open was joined by nobody.
    const { target } = (await this.#begun?.catch(() => undefined)) ?? {};
    target?.leave(member);
  }

  async #joined(): Promise<Begun> {
    if (this.#begun === undefined) throw noWay('has not joined');
    return this.#begun;
  }
}

function noWay(what: string): StatusError {
  return new StatusError('invalidRequest', `a stream of a shared drive ${what}`);
}
