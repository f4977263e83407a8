// Mounts at work: the table of drives, the robot moves that a mount needs, and what is told to nbrb about it. Every change
// is on the disk before anybody hears of it.

import type { Bus } from '@tapestry/bus';
import type { DriveReport, DriveSpec, Grant, MountReply, MountRow } from '@tapestry/contracts';
import type { Clock, Logger } from '@tapestry/runtime';
import { tellDetail } from '@tapestry/runtime';
import { type Lease, leaseOf, refOf } from '@tapestry/runtime/fence';
import { asStatusError, StatusError, type StatusName } from '@tapestry/status';
import type { Library } from '@tapestry/storage';
import type { MountStore } from './adapters/mount-store.ts';
import { driveIndexOf, type Robots } from './adapters/robots.ts';
import type { Config } from './config.ts';
import {
  type DriveEvent,
  type DriveRow,
  idleRow,
  mayTake,
  sameLease,
  step,
  validForMs,
} from './core/drive-row.ts';
import { asksOperator } from './core/pending.ts';
import { driveAt, type Move, plan } from './core/plan.ts';
import type { Letters } from './letters.ts';
import type { PendingRequests } from './pending-requests.ts';
import { carryOut } from './robot-moves.ts';

export interface MountParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: Readonly<Config>;
  readonly store: MountStore;
  readonly robots: Robots;
  readonly letters: Letters;
  readonly pending: PendingRequests;
  /** Aborts when the daemon stops: the table stays as it stands. */
  readonly stopping: AbortSignal;
  /** Told after each change of a holder or state. */
  onChanged(before: DriveRow, after: DriveRow): void;
}

export class Mounts {
  readonly #parts: MountParts;
  readonly #rows = new Map<string, DriveRow>();
  /** Mounts under way, by drive: a repeat joins the one that runs. */
  readonly #running = new Map<string, Running>();

  constructor(parts: MountParts) {
    this.#parts = parts;
    for (const row of parts.store.all()) {
      this.#rows.set(row.drive, row);
      this.apply(row.drive, { type: 'restarted' });
    }
  }

  get rows(): readonly DriveRow[] {
    return [...this.#rows.values()];
  }

  /** Whether a mount is on its way into this drive. */
  isMounting(drive: string): boolean {
    return this.#running.has(drive);
  }

  /** The row of each drive of this host that a robot serves, also of those that never had a mount. */
  rowsOfRobot(robotNumber: number): readonly DriveRow[] {
    return this.#parts.robots.drives
      .filter((drive) => drive.robotNumber === robotNumber)
      .map((drive) => this.#rowOf(drive));
  }

  byLease(lease: Lease): DriveRow | undefined {
    return this.rows.find(({ holder }) => sameLease(holder, lease));
  }

  apply(drive: string, event: DriveEvent): DriveRow {
    const before = this.#rows.get(drive)!;
    if (this.#parts.stopping.aborted) return before;
    const after = step(before, event, this.#parts.clock.nowMs(), this.#parts.config);
    if (after === before) return before;
    this.#parts.store.save(after);
    this.#rows.set(drive, after);
    if (before.holder !== null && !sameLease(after.holder, before.holder)) {
      this.#parts.pending.withdraw(before.holder);
    }
    if (before.state !== after.state || before.holder !== after.holder) {
      this.#parts.onChanged(before, after);
    }
    return after;
  }

  /** Brings the granted volume into the granted drive. The same grant gets the same mount. */
  async mount(grant: Grant, signal: AbortSignal): Promise<MountReply> {
    const lease = leaseOf(grant);
    if (!grant.drive || !grant.volume) {
      throw new StatusError('invalidRequest', 'the mount names no drive or volume');
    }
    const running = this.#running.get(grant.drive.name);
    const { volumeNumber } = grant;
    const isIt = running?.volumeNumber === volumeNumber && sameLease(running.lease, lease);
    if (running !== undefined && isIt) {
      this.apply(grant.drive.name, { type: 'heard', lease, writerPid: 0 });
      return running.answer;
    }
    const spec = await this.#specOf(grant.drive, signal);
    const row = this.#rowOf(spec);
    if (!mayTake(row, lease, volumeNumber)) throw taken(row);
    const answer = this.#mount(grant, lease, spec, signal);
    this.#running.set(spec.name, { lease, volumeNumber, answer });
    try {
      return await answer;
    } finally {
      if (this.#running.get(spec.name)?.answer === answer) this.#running.delete(spec.name);
    }
  }

  /** The writer closed the drive. Whoever does not hold it any more has nothing to give back. `doubt`: why it is not idle. */
  async unmount(lease: Lease, doubt = ''): Promise<void> {
    const row = this.byLease(lease);
    if (row === undefined || this.#parts.pending.withdraw(lease)) return;
    const stillHeld = this.#parts.robots.showsHolder(row.drive) && (await this.#isHeld(row));
    this.#requireServing();
    this.apply(row.drive, { type: 'unmountAsked', lease, stillHeld, doubt });
  }

  /** A daemon that stops saves nothing any more: what it would answer well, its next life would not know. */
  #requireServing(): void {
    if (this.#parts.stopping.aborted) throw new StatusError('resourcesBusy', 'ltid is stopping');
  }

  /** Looks after holders that are silent: whose writer is gone, and which drive can be called idle? */
  async look(): Promise<void> {
    const { clock, config } = this.#parts;
    for (const row of this.rows) {
      if (row.holder === null) this.apply(row.drive, { type: 'trusted' });
      if (row.holder === null || clock.nowMs() - row.heardMs < config.silentMs) continue;
      // Whoever waits for an operator asks again and again; one that does not is gone.
      if (this.#parts.pending.withdraw(row.holder)) continue;
      if (this.#running.has(row.drive)) continue;
      this.apply(row.drive, { type: 'looked', stillHeld: await this.#isHeld(row) });
    }
  }

  mountRows(): MountRow[] {
    return this.rows.map(({ drive, mediaId, holder, state, writerPid, reason }) => ({
      ...{ drive, mediaId, state, writerPid, reason },
      holder: holder === null ? null : refOf(holder),
    }));
  }

  /** All drives of this host: those that never had a mount are idle. */
  reports(): DriveReport[] {
    const known = this.rows.map(({ drive, mediaId, holder, state, reason }) => ({
      ...{ drive, mediaId, reason, ready: state === 'mounted' || state === 'idle' },
      holder: holder === null ? null : refOf(holder),
    }));
    const others = this.#parts.robots.drives.filter(({ name }) => !this.#rows.has(name));
    const idle = others.map(({ name }) => ({
      ...{ drive: name, mediaId: '', reason: '', ready: true, holder: null },
    }));
    return [...known, ...idle];
  }

  async #mount(
    grant: Grant,
    lease: Lease,
    spec: DriveSpec,
    signal: AbortSignal,
  ): Promise<MountReply> {
    const { clock, robots } = this.#parts;
    const startMs = clock.nowMs();
    const { volumeNumber } = grant;
    const mediaId = grant.volume!.mediaId;
    this.#requireServing();
    this.apply(spec.name, { type: 'mountAsked', lease, mediaId, volumeNumber });
    try {
      await this.#bringOrAsk(grant, spec, signal);
      await this.#awaitReady(grant, spec);
    } catch (thrown) {
      const error = asStatusError(thrown, 'notMountable');
      // Devices may have been changed since they were learnt.
      robots.forget();
      const reason = error.detail;
      this.apply(spec.name, { type: 'mountFailed', lease, reason, volumeNumber });
      throw error;
    }
    const row = this.apply(spec.name, { type: 'mounted', lease, volumeNumber });
    // Another came while the robot moved: its mount follows, this one is over.
    if (!sameLease(row.holder, lease) || row.volumeNumber !== volumeNumber) throw taken(row);
    this.#parts.letters.mediaEvent({
      ...{ grant: refOf(lease), mediaId, drive: spec.name, event: 'MEDIA_EVENT_MOUNTED' },
    });
    return { drivePath: spec.path, mountMs: BigInt(clock.nowMs() - startMs) };
  }

  /** A drive that cannot be reached is taken down: its robot could, so that it is not all of the network. */
  async #awaitReady(grant: Grant, spec: DriveSpec): Promise<void> {
    const { robots, letters, config, stopping } = this.#parts;
    const { grantId, epoch } = grant;
    const signal = AbortSignal.any([stopping, AbortSignal.timeout(config.readyTimeoutMs)]);
    try {
      await robots.awaitReady(spec, { grantId, epoch }, signal);
    } catch (thrown) {
      if (stopping.aborted) throw thrown;
      const { status, detail } = asStatusError(thrown, 'mediaOpenError');
      const about = { grant: refOf(leaseOf(grant)), mediaId: grant.volume!.mediaId };
      if (status === 'driveNotReady') {
        const event = 'MEDIA_EVENT_LOAD_ERROR';
        letters.mediaEvent({ ...about, drive: spec.name, detail, event });
      } else if (!HELD.has(status)) {
        letters.driveDown(spec.name, `it cannot be used: ${detail}`);
      }
      throw thrown;
    }
  }

  /** What the robot cannot do, an operator may: who answers ends the waiting. */
  async #bringOrAsk(grant: Grant, spec: DriveSpec, signal: AbortSignal): Promise<void> {
    const { robots, pending, config } = this.#parts;
    for (;;) {
      try {
        return await robots.use(spec.robotNumber, signal, (library, late) =>
          this.#bring({ library, grant, spec, signal: late }),
        );
      } catch (thrown) {
        const failure = asStatusError(thrown, 'notMountable');
        if (config.mountErrors === 'fail' || !asksOperator(failure.status)) throw failure;
        const answer = await pending.ask(grant, failure, (id) =>
          this.#tell(
            grant,
            `request/${id}`,
            `${failure.detail}: request ${id} waits for an operator`,
          ),
        );
        if (answer === 'deny') throw new StatusError('mountRequestDenied', failure.detail);
        if (answer === 'assign') return;
      }
    }
  }

  async #bring({ library, grant, spec, signal }: Bringing): Promise<void> {
    const { mediaId, barcode } = grant.volume!;
    const driveIndex = driveIndexOf(spec);
    const others = this.rows.filter(
      (row) => row.robotNumber === spec.robotNumber && row.drive !== spec.name,
    );
    const heldDrives = others.filter((row) => row.holder !== null).map((row) => row.driveIndex);
    const wanted = { barcode: barcode || mediaId, driveIndex, heldDrives };
    let address = -1;
    // The granted drive is ours by a later epoch than any that may still have it open. A drive that an NDMP host has open
    // knows no epochs: the host itself must let go.
    const fence = { grantId: grant.grantId, epoch: grant.epoch };
    const fenced = spec.ndmpHost === '';
    const outcome = await carryOut({
      ...{ library, signal, retryPauseMs: this.#parts.config.retryPauseMs },
      planned: (elements) => {
        address = driveAt(elements, driveIndex)?.address ?? -1;
        return plan(elements, wanted);
      },
      optionsOf: ({ from }) => (from === address && fenced ? { fence } : {}),
      onMoved: (move) => {
        this.#parts.log.info({ robot: spec.robotNumber, ...move }, 'moved');
        if (move.from === address)
          this.#tell(grant, 'unload', `${move.why} from drive ${spec.name}`);
      },
    });
    if ('failure' in outcome) {
      this.#tellFailed(grant, outcome, address);
      throw outcome.failure;
    }
    // Where it came from is empty now, when that was another drive.
    for (const { drive, mediaId: held } of others) {
      if (held === mediaId) this.apply(drive, { type: 'sighted', full: false });
    }
  }

  /** Which part of a failure is whose: the robot's own is nobody's fault. */
  #tellFailed(grant: Grant, { failure, at }: MoveFailure, address: number): void {
    const { letters } = this.#parts;
    const { mediaId } = grant.volume!;
    const drive = grant.drive!.name;
    const { status, detail } = failure;
    const about = { grant: refOf(leaseOf(grant)), mediaId, drive, detail };
    if (status === 'mediaMisplaced') {
      letters.mediaEvent({ ...about, event: 'MEDIA_EVENT_MISPLACED' });
    }
    if (!DEVICE_FAILURES.has(status) || at === null) return;
    if (at.to === address) letters.mediaEvent({ ...about, event: 'MEDIA_EVENT_LOAD_ERROR' });
    if (at.from === address)
      letters.driveDown(drive, `it does not give its volume back: ${detail}`);
  }

  /** The grant says where its drive is; a grant that does not is asked about at nbemm. */
  async #specOf(granted: DriveSpec, signal: AbortSignal): Promise<DriveSpec> {
    if (granted.path !== '') return granted;
    const known = await this.#parts.robots.drive(granted.name, signal);
    if (known !== undefined) return known;
    throw new StatusError('mediaOpenError', `nbemm knows no drive ${granted.name} on this host`);
  }

  #tell({ attempt }: Grant, key: string, text: string): void {
    tellDetail(this.#parts.bus, { attempt: attempt!, producer: 'ltid', text, key });
  }

  #rowOf(spec: DriveSpec): DriveRow {
    const known = this.#rows.get(spec.name);
    const driveIndex = driveIndexOf(spec);
    if (known?.robotNumber === spec.robotNumber && known.driveIndex === driveIndex) return known;
    const row = {
      ...(known ?? idleRow(spec.name, 0, 0)),
      robotNumber: spec.robotNumber,
      driveIndex,
    };
    this.#rows.set(spec.name, row);
    this.#parts.store.save(row);
    return row;
  }

  /** Does a live process have the drive open? What cannot be asked counts as held. */
  async #isHeld(row: DriveRow): Promise<boolean> {
    const { robots, clock, config } = this.#parts;
    if (!robots.showsHolder(row.drive)) {
      return validForMs(row, clock.nowMs(), config.leaseT1Ms) > 0;
    }
    const signal = AbortSignal.timeout(this.#parts.config.moveTimeoutMs);
    try {
      const elements = await this.#parts.robots.use(row.robotNumber, signal, (library) =>
        library.inventory(),
      );
      const drive = elements.find(
        ({ type, index }) => type === 'drive' && index === row.driveIndex,
      );
      return drive !== undefined && !drive.accessible;
    } catch (error) {
      this.#parts.log.warn({ err: error, drive: row.drive }, 'the robot cannot be asked');
      return true;
    }
  }
}

interface Running {
  readonly lease: Lease;
  readonly volumeNumber: number;
  readonly answer: Promise<MountReply>;
}

interface Bringing {
  readonly library: Library;
  readonly grant: Grant;
  readonly spec: DriveSpec;
  readonly signal: AbortSignal;
}

interface MoveFailure {
  readonly failure: StatusError;
  readonly at: Move | null;
}

function taken({ drive, holder, mediaId }: DriveRow): StatusError {
  const { grantId, epoch } = holder ?? { grantId: '', epoch: 0n };
  const whose = `grant ${grantId} (epoch ${epoch}), a later one, or its volume ${mediaId}`;
  return new StatusError('staleGrant', `drive ${drive} is held under ${whose}`);
}

/** Somebody else has the drive: it is none the worse for that. */
const HELD: ReadonlySet<StatusName> = new Set<StatusName>(['mediaInUse', 'staleGrant']);

/** Failures of a move that say something about the drive it went to or came from. */
export const DEVICE_FAILURES: ReadonlySet<StatusName> = new Set<StatusName>([
  ...(['notMountable', 'driveNotReady', 'mediaOpenError', 'mediaCloseError'] as const),
]);
