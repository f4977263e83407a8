// One stream onto or from a drive behind an NDMP host. For the stream's runner it is what a drive process is: it hears
// orders and tells what happens; but no data comes here, so it needs no process of its own.

import type { Client } from '@tapestry/bus';
import type { Lease } from '@tapestry/runtime/fence';
import { asStatusError, StatusError } from '@tapestry/status';
import type { DriveProcess } from '../adapters/drive-pool.ts';
import type { MoverDevice } from '../core/orders.ts';
import { labelMedium } from '../drive-process/label-medium.ts';
import type { Finish, FromDrive, NextVolume, Order, ToDrive } from '../drive-process/messages.ts';
import { tellAlerts } from '../drive-process/tape-alerts.ts';
import { MoverReader } from './mover-reader.ts';
import type { MoverRunParts } from './mover-run.ts';
import { MoverWriter } from './mover-writer.ts';
import { RemoteDrive } from './remote-drive.ts';
import { TapeLink } from './tape-link.ts';

export interface MoverDriveParts {
  readonly agent: Client<'ndmpagent'>;
  readonly lease: Lease;
  readonly device: MoverDevice;
  readonly stopping: AbortSignal;
}

interface Hooks {
  onReport(report: FromDrive): void;
  onExit(how: string): void;
}

export class MoverDrive implements DriveProcess {
  /** Its work is bptm's own. */
  readonly pid = process.pid;
  readonly #parts: MoverDriveParts;
  readonly #over = new AbortController();
  readonly #link: TapeLink;
  readonly #finish = Promise.withResolvers<Finish>();
  readonly #broken = Promise.withResolvers<never>();
  #hooks: Hooks | undefined;
  #drive: RemoteDrive | undefined;
  #work: MoverWriter | MoverReader | undefined;
  /** Set once another volume was asked for. */
  #volume: PromiseWithResolvers<NextVolume> | undefined;
  #leaseTimer: NodeJS.Timeout | undefined;
  #exited = false;

  constructor(parts: MoverDriveParts) {
    this.#parts = parts;
    const { agent, lease, stopping } = parts;
    this.#link = new TapeLink({
      agent,
      lease,
      signal: AbortSignal.any([this.#over.signal, stopping]),
    });
    for (const { promise } of [this.#finish, this.#broken]) promise.catch(() => undefined);
  }

  attach(hooks: Hooks): void {
    this.#hooks = hooks;
  }

  send(message: ToDrive): void {
    switch (message.type) {
      case 'start':
        void this.#start(message.order);
        break;
      case 'lease':
        this.#renewLease(message.validForMs);
        break;
      case 'finish':
        this.#finish.resolve(message);
        break;
      case 'range':
        if (this.#work instanceof MoverReader) this.#work.range(message);
        break;
      case 'volume':
        this.#volume?.resolve(message);
        break;
      case 'abort':
        this.#break(new StatusError('interrupted', message.reason));
    }
  }

  /** The host's drive is given back first: only then may anybody else have it. */
  end(reason: string): void {
    this.#break(new StatusError('interrupted', reason));
    if (this.#work === undefined) void this.#exit(reason);
  }

  /** Ends the tape session, also one that an earlier life of bptm opened. */
  closeTape(): Promise<void> {
    return this.#link.close();
  }

  async #start(order: Order): Promise<void> {
    this.#renewLease(order.leaseMs);
    let how = 'done';
    try {
      const bytes = await Promise.race([this.#run(order), this.#broken.promise]);
      await this.#tellAlerts();
      await this.#link.close();
      this.#report({ type: 'finished', bytes });
    } catch (error) {
      const { status, detail } = asStatusError(error, 'tapeMgrSystemError');
      this.#report({ type: 'failed', failure: { status, detail }, bytes: this.#work?.bytes ?? 0n });
      how = detail;
      await this.#tellAlerts();
    }
    await this.#exit(how);
  }

  /** Before the session is closed. One that was broken off, or never was open, answers nothing any more. */
  async #tellAlerts(): Promise<void> {
    if (this.#drive === undefined) return;
    await tellAlerts(this.#drive, (message) => this.#report(message));
  }

  async #run(order: Order): Promise<bigint> {
    const { ndmpHost, device, writes, local } = this.#parts.device;
    const { fixedBlockBytes } = await this.#link.open({ ndmpHost, device, writes });
    this.#drive = new RemoteDrive(this.#link);
    const parts: MoverRunParts = {
      ...{ link: this.#link, drive: this.#drive, local, fixedBlockBytes },
      report: (message) => this.#report(message),
      finish: this.#finish.promise,
      needVolume: async (mediaId, refused) => {
        await this.#tellAlerts();
        await this.#link.call('TAPE_OPERATION_CLOSE_DRIVE');
        this.#volume = Promise.withResolvers<NextVolume>();
        this.#report({ type: 'volumeNeeded', mediaId, refused });
        const next = await this.#volume.promise;
        await this.#link.call('TAPE_OPERATION_OPEN_DRIVE');
        return next;
      },
    };
    if (order.mode === 'label') {
      await labelMedium(this.#drive, order, parts.report, fixedBlockBytes);
      return 0n;
    }
    const work =
      order.mode === 'write' ? new MoverWriter(parts, order) : new MoverReader(parts, order);
    this.#work = work;
    return work.run();
  }

  #report(message: FromDrive): void {
    if (!this.#exited) this.#hooks?.onReport(message);
  }

  async #exit(how: string): Promise<void> {
    if (this.#exited) return;
    this.#exited = true;
    clearTimeout(this.#leaseTimer);
    this.#over.abort(new Error('the stream is over'));
    // A daemon that stops leaves the drive to the silence of its session.
    await this.#link.close();
    this.#hooks?.onExit(how);
  }

  #break(error: StatusError): void {
    this.#broken.reject(error);
    this.#over.abort(error);
  }

  #renewLease(validForMs: number): void {
    clearTimeout(this.#leaseTimer);
    const lost = 'the lease could not be renewed in time: writing stopped';
    this.#leaseTimer = setTimeout(
      () => this.#break(new StatusError('staleGrant', lost)),
      validForMs,
    );
  }
}
