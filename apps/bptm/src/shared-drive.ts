// A drive that several streams share: mounted for the first that comes, whichever it is, and given back behind the last.
// Each stream has its own grant, connection and end; here is only what they have in common. Promises that while one of
// them is there the drive stays mounted, and that a tape file that was closed is never written over.

import type { Bus } from '@tapestry/bus';
import type { AppendPoint, Grant, VolumeSpec } from '@tapestry/contracts';
import { type Clock, type Logger, tellDetail } from '@tapestry/runtime';
import { attemptKey, type Lease, refOf } from '@tapestry/runtime/fence';
import { pause } from '@tapestry/runtime/until-answered';
import { StatusError } from '@tapestry/status';
import type { DrivePool, DriveProcess, SharedProcess } from './adapters/drive-pool.ts';
import type { StreamStore } from './adapters/stream-store.ts';
import { type Hold, tapeHold } from './adapters/tape-hold.ts';
import type { Config } from './config.ts';
import { memberOrder, type SharedFrame } from './core/sharing.ts';
import type { FromDrive, FromSharedDrive, ToDrive } from './drive-process/messages.ts';
import { LeaseRenewer } from './lease-renewer.ts';

export interface SharedDriveParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly host: string;
  readonly config: Readonly<Config>;
  readonly pool: DrivePool;
  readonly store: Pick<StreamStore, 'letters'>;
  readonly stopping: AbortSignal;
}

/** Where the next tape file begins on a volume, as granted and as its streams left it. */
type AppendOn = (volume: VolumeSpec | null) => AppendPoint | null;

/** A process that was told to go may take so long to close its drive. */
const LEAVE_MAX_MS = 30_000;
/** A stream that was broken off ends within this, or its process is deaf. */
const MEMBER_END_MAX_MS = 30_000;
const RECORD_LOOK_MS = 100;

type Hooks = Parameters<DriveProcess['attach']>[0];

interface Member {
  readonly lease: Lease;
  /** By which the drive process knows it. */
  readonly number: number;
  /** On which of the group's volumes it believes to be. */
  volumeNumber: number;
  /** It brings another volume, and hears itself which. */
  brings: boolean;
  hooks: Hooks | undefined;
  endTimer: NodeJS.Timeout | undefined;
}

/** From a mount to its end. */
interface Life {
  /** Of the present volume. */
  mounted: Promise<string>;
  readonly renewer: LeaseRenewer;
  readonly over: PromiseWithResolvers<void>;
  readonly tapeAlerts: Set<number>;
  process: Promise<SharedProcess> | undefined;
  exited: Promise<void>;
  /** How the process ended, once it has. */
  end: string | undefined;
  first: SharedFrame['first'] | undefined;
  ending: boolean;
}

export class SharedDrive {
  readonly mount: Lease;
  readonly #parts: SharedDriveParts;
  readonly #appendOn: AppendOn;
  /** With the volume that is in the drive, or on its way there. */
  #grant: Grant;
  readonly #hold: Hold;
  readonly #members = new Map<string, Member>();
  #numbers = 0;
  /** All that wrote in this life, also those that have left: what nbemm has not heard may be theirs. */
  readonly #writers = new Set<string>();
  #append: AppendPoint | null;
  #life: Life | undefined;
  /** What a life before this one of bptm left mounted is being given back. */
  #clearing: Promise<void> = Promise.resolve();

  /** `grant`: of any stream of the group. */
  constructor(
    parts: SharedDriveParts,
    { grant, mount, appendOn }: { grant: Grant; mount: Lease; appendOn: AppendOn },
  ) {
    this.#parts = parts;
    this.mount = mount;
    this.#appendOn = appendOn;
    this.#grant = { ...grant, ...refOf(mount), mpxMount: null };
    this.#append = appendOn(grant.volume);
    this.#hold = tapeHold(parts.bus.client('ltid', parts.host), mount);
  }

  /** Nobody is here, and nothing is under way. */
  get isIdle(): boolean {
    return this.#members.size === 0 && this.#life === undefined;
  }

  /** How one stream holds it: the mount is everybody's, the lease its own. */
  holdFor(lease: Lease): Hold {
    const { bus, host, config } = this.#parts;
    const nbrb = bus.client('nbrb');
    return {
      mounts: true,
      mount: (grant, _tapeAlerts, signal) => this.#mount(lease, grant!, signal),
      renew: async () => {
        const { invalid } = await nbrb.RenewGrants({ host, grants: [refOf(lease)] });
        return { valid: invalid.length === 0, validForMs: BigInt(config.leaseT1Ms) };
      },
      giveBack: () => this.#leave(lease),
    };
  }

  /** What a stream that has entered works with, as if the process were its own. */
  async take(lease: Lease): Promise<DriveProcess> {
    const life = this.#life;
    const member = this.#members.get(attemptKey(lease.attempt));
    if (life === undefined || member === undefined) {
      throw new StatusError('invalidRequest', 'the stream has not entered the shared drive');
    }
    life.process ??= this.#start(life);
    const process = await life.process;
    return {
      pid: process.pid,
      attach: (hooks) => {
        member.hooks = hooks;
        this.#tellVolume();
        if (life.end !== undefined) hooks.onExit(life.end);
      },
      send: (message) => {
        if (message.type === 'start') this.#tellJoined(member);
        const own = this.#adapted(life, message);
        process.send({ type: 'member', member: member.number, message: own });
      },
      end: (reason) => {
        const message = { type: 'abort', reason } as const;
        process.send({ type: 'member', member: member.number, message });
        const deaf = (): void => process.end('a stream does not end');
        member.endTimer ??= setTimeout(deaf, MEMBER_END_MAX_MS);
      },
    };
  }

  /** A stream that is here already goes on upon the volume that it brings. */
  async #mount(lease: Lease, grant: Grant, signal: AbortSignal): Promise<string> {
    const member = this.#members.get(attemptKey(lease.attempt));
    if (member === undefined || this.#life === undefined) return this.#enter(lease, grant, signal);
    member.volumeNumber = grant.volumeNumber;
    if (grant.volumeNumber > this.#grant.volumeNumber) this.#bring(this.#life, grant);
    return orAborted(this.#life.mounted, signal);
  }

  async #enter(lease: Lease, grant: Grant, signal: AbortSignal): Promise<string> {
    await orAborted(this.#clearing, signal);
    // Nobody begins in a process that is gone: its streams are on their way out.
    while (this.#life?.ending || this.#life?.end !== undefined) {
      await orAborted(this.#life.over.promise, signal);
    }
    if (this.#life === undefined && grant.volumeNumber > this.#grant.volumeNumber) {
      this.#nowOn(grant);
    }
    const life = this.#life ?? this.#begin();
    this.#numbers += 1;
    const { volumeNumber } = grant;
    const member = { lease, number: this.#numbers, volumeNumber };
    const fresh = { ...member, brings: false, hooks: undefined, endTimer: undefined };
    this.#members.set(attemptKey(lease.attempt), fresh);
    this.#writers.add(attemptKey(lease.attempt));
    return orAborted(life.mounted, signal);
  }

  #nowOn({ volume, volumeNumber }: Grant): void {
    this.#grant = { ...this.#grant, volume, volumeNumber };
    this.#append = this.#appendOn(volume);
  }

  /** The first of those who bring a volume has it mounted for all. */
  #bring(life: Life, grant: Grant): void {
    const { config, stopping } = this.#parts;
    this.#nowOn(grant);
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(config.mountTimeoutMs)]);
    const tapeAlerts = [...life.tapeAlerts];
    life.tapeAlerts.clear();
    life.mounted = this.#allRecorded(signal).then(() =>
      this.#hold.mount(this.#grant, tapeAlerts, signal),
    );
    // Whoever waits for it handles its failure. Who did not know of it does now.
    life.mounted.then(
      () => this.#tellVolume(),
      () => undefined,
    );
  }

  /** The volume before may be another's as soon as it is out of the drive: nbemm must know by then where it ends. */
  async #allRecorded(signal: AbortSignal): Promise<void> {
    const { store } = this.#parts;
    const isOpen = (key: string): boolean =>
      store.letters(key).some(({ kind }) => kind === 'fragment');
    while ([...this.#writers].some(isOpen)) await pause(RECORD_LOOK_MS, signal);
    signal.throwIfAborted();
  }

  #tellVolume(): void {
    const { volume, volumeNumber } = this.#grant;
    if (volume === null) return;
    for (const member of this.#members.values()) {
      const knows = member.brings || member.volumeNumber >= volumeNumber;
      if (knows || member.hooks === undefined) continue;
      member.volumeNumber = volumeNumber;
      member.hooks.onReport({ type: 'volumeIs', volume, number: volumeNumber });
    }
  }

  #begin(): Life {
    const { config, stopping, log, clock } = this.#parts;
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(config.mountTimeoutMs)]);
    const renewer = new LeaseRenewer({
      renew: (writerPid) => this.#hold.renew(writerPid),
      ...{ lease: this.mount, log, clock },
      ...{ everyMs: config.renewEveryMs, leaseMs: config.leaseT1Ms },
      onRenewed: () => undefined,
      onLost: (detail) => this.#failAll(detail),
    });
    const mounted = this.#hold.mount(this.#grant, [], signal);
    // Whoever waits for it handles its failure.
    mounted.then(
      () => renewer.start(),
      () => undefined,
    );
    this.#life = {
      ...{ mounted, renewer, over: Promise.withResolvers(), tapeAlerts: new Set() },
      ...{ process: undefined, exited: Promise.resolve(), first: undefined, ending: false },
      end: undefined,
    };
    return this.#life;
  }

  async #start(life: Life): Promise<SharedProcess> {
    const process = await this.#parts.pool.takeShared();
    const exited = Promise.withResolvers<void>();
    life.exited = exited.promise;
    process.attach({
      onReport: (report) => this.#hear(life, report),
      onExit: (how) => {
        life.end = how;
        for (const { hooks } of [...this.#members.values()]) hooks?.onExit(how);
        exited.resolve();
      },
    });
    life.renewer.writer(process.pid);
    return process;
  }

  #hear(life: Life, message: FromSharedDrive | FromDrive): void {
    if (message.type === 'tapeAlerts') for (const flag of message.flags) life.tapeAlerts.add(flag);
    if (message.type !== 'member' && message.type !== 'memberEnded') return;
    const member = [...this.#members.values()].find(({ number }) => number === message.member);
    if (message.type === 'memberEnded') {
      member?.hooks?.onExit('its stream is over');
      return;
    }
    const { report } = message;
    if (report.type === 'fragmentClosed') this.#noteAppend(report);
    if (member !== undefined && report.type === 'volumeNeeded') member.brings = true;
    if (member !== undefined && report.type === 'positioned') member.brings = false;
    member?.hooks?.onReport(report);
  }

  #noteAppend({ fragment, append }: FromDrive & { type: 'fragmentClosed' }): void {
    if (fragment.mediaId !== this.#grant.volume?.mediaId) return;
    if (append.fileNumber > (this.#append?.fileNumber ?? 0)) this.#append = append;
  }

  #adapted(life: Life, message: ToDrive): ToDrive {
    if (message.type !== 'start' || message.order.mode !== 'write') return message;
    const { order } = message;
    life.first ??= order;
    const first = { ...life.first, volume: this.#grant.volume ?? order.volume };
    const frame = {
      ...{ mount: this.mount, first, append: this.#append },
      ...{ ringBytes: this.#parts.config.mpxRingBytes, streamsMax: this.#grant.maxMpx },
    };
    return { type: 'start', order: memberOrder(order, frame) };
  }

  /** Resolves at once while others are there; behind the last, when ltid has the drive back. */
  async #leave(lease: Lease): Promise<void> {
    const key = attemptKey(lease.attempt);
    const was = this.#members.get(key);
    this.#members.delete(key);
    clearTimeout(was?.endTimer);
    const life = this.#life;
    if (life === undefined) {
      // A life of bptm before this one mounted it: nobody else gives it back.
      this.#clearing = this.#clearing.then(() => this.#unmount([]));
      return this.#clearing;
    }
    if (was !== undefined) this.#tellLeft(was);
    if (this.#members.size > 0 || was === undefined) return;
    await this.#end(life);
  }

  async #end(life: Life): Promise<void> {
    life.ending = true;
    life.renewer.stop();
    try {
      const process = await life.process?.catch(() => undefined);
      process?.send({ type: 'leave' });
      const tooLong = setTimeout(() => process?.end('it does not leave'), LEAVE_MAX_MS);
      await life.exited;
      clearTimeout(tooLong);
      await this.#unmount([...life.tapeAlerts]);
    } finally {
      this.#life = undefined;
      this.#writers.clear();
      life.over.resolve();
    }
  }

  /** A refusal says that another holder is known: there is nothing of ours left to give back. */
  async #unmount(tapeAlerts: readonly number[]): Promise<void> {
    const { stopping, log } = this.#parts;
    try {
      await this.#hold.giveBack({ failed: false, tapeAlerts, doubt: '' }, stopping);
    } catch (error) {
      if (stopping.aborted) throw error;
      log.warn({ err: error, grantId: this.mount.grantId }, 'the giving back was refused');
    }
  }

  #failAll(detail: string): void {
    const failure = { status: 'staleGrant', detail } as const;
    for (const { hooks } of [...this.#members.values()]) {
      hooks?.onReport({ type: 'failed', failure, bytes: 0n });
    }
  }

  #tellJoined(member: Member): void {
    const others = [...this.#members.values()].filter((each) => each !== member);
    if (others.length === 0) return;
    const drive = this.#grant.drive?.name ?? '';
    const names = others.map(({ lease }) => `job ${lease.attempt.jobId}`).join(', ');
    const count = `${others.length + 1} of up to ${this.#grant.maxMpx} streams`;
    this.#tell(member, `mpx-${member.number}`, `shares drive ${drive} with ${names}: ${count}`);
    for (const other of others) {
      const text = `job ${member.lease.attempt.jobId} joins on drive ${drive}: ${count}`;
      this.#tell(other, `mpx-${member.number}`, text);
    }
  }

  #tellLeft({ lease, number }: Member): void {
    const left = this.#members.size;
    const text = `job ${lease.attempt.jobId} has left the shared drive: ${left} of its streams go on`;
    for (const other of this.#members.values()) this.#tell(other, `mpx-left-${number}`, text);
  }

  #tell({ lease: { attempt } }: Member, key: string, text: string): void {
    tellDetail(this.#parts.bus, { attempt, producer: 'bptm', text, key });
  }
}

/** Rejects with the signal's reason when that comes first. */
function orAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason);
  signal.addEventListener('abort', abort, { once: true });
  if (signal.aborted) abort();
  return Promise.race([work, aborted.promise]).finally(() =>
    signal.removeEventListener('abort', abort),
  );
}
