// Drives that ask for it, or were used for long enough, are cleaned while nobody holds them: a cleaning cartridge goes in, does
// its work and goes home, and nbemm counts it. Meanwhile nbrb hears that the drive is away.

import type { Client } from '@tapestry/bus';
import type { Clock, Logger } from '@tapestry/runtime';
import { asStatusError, StatusError } from '@tapestry/status';
import type { Library } from '@tapestry/storage';
import type { MountStore } from './adapters/mount-store.ts';
import type { Robots } from './adapters/robots.ts';
import type { Config } from './config.ts';
import { type Cleaning, chooseCleaner, neverCleaned, whyDue } from './core/cleaning.ts';
import type { DriveRow } from './core/drive-row.ts';
import { plan, planHome } from './core/plan.ts';
import type { Letters } from './letters.ts';
import type { Mounts } from './mounts.ts';
import { carryOut } from './robot-moves.ts';

export interface CleaningParts {
  readonly mounts: Mounts;
  readonly robots: Robots;
  readonly letters: Letters;
  readonly store: MountStore;
  readonly nbemm: Client<'nbemm'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: Readonly<Config>;
  readonly stopping: AbortSignal;
}

/** A drive that could not be cleaned is tried again after so long. */
const AGAIN_MS = 600_000;

export class DriveCleaning {
  readonly #parts: CleaningParts;
  readonly #notBefore = new Map<string, number>();

  constructor(parts: CleaningParts) {
    this.#parts = parts;
  }

  of(drive: string): Cleaning {
    return (
      this.#parts.store.cleanings().find((each) => each.drive === drive) ?? neverCleaned(drive)
    );
  }

  /** Every drive of this host that was used, or of which something is on record. */
  all(): readonly Cleaning[] {
    const names = new Set(this.#parts.robots.drives.map(({ name }) => name));
    for (const { drive } of this.#parts.mounts.rows) names.add(drive);
    return [...names].sort().map((name) => this.of(name));
  }

  change(drive: string, change: Partial<Cleaning>): void {
    if (this.#parts.stopping.aborted) return;
    this.#parts.store.saveCleaning({ ...this.of(drive), ...change });
    this.#notBefore.delete(drive);
  }

  /** A volume was in the drive for so long. */
  used(drive: string, forMs: number): void {
    const known = this.of(drive);
    if (this.#parts.stopping.aborted || forMs <= 0) return;
    this.#parts.store.saveCleaning({ ...known, usedMs: known.usedMs + forMs });
  }

  /** Cleans what is due and idle. */
  async run(): Promise<void> {
    const { mounts, clock, stopping, log } = this.#parts;
    for (const row of mounts.rows) {
      const why = whyDue(this.of(row.drive));
      const isReady = row.holder === null && !mounts.isMounting(row.drive) && row.state === 'idle';
      if (why === '' || !isReady || stopping.aborted) continue;
      if ((this.#notBefore.get(row.drive) ?? 0) > clock.nowMs()) continue;
      try {
        await this.clean(row.drive, stopping);
      } catch (error) {
        if (stopping.aborted) return;
        const failure = asStatusError(error, 'robotDown');
        this.#notBefore.set(row.drive, clock.nowMs() + AGAIN_MS);
        log.warn({ err: failure, drive: row.drive, why }, 'a drive cannot be cleaned');
        mounts.apply(row.drive, {
          ...{
            type: 'noted',
            reason: `needs cleaning (${why}): ${failure.code} ${failure.detail}`,
          },
        });
      }
    }
  }

  /** Errors: 227, 2004, 2088, and those of moves. */
  async clean(drive: string, signal: AbortSignal): Promise<void> {
    const { mounts, robots, nbemm } = this.#parts;
    const spec = await robots.drive(drive, signal);
    if (spec === undefined) throw new StatusError('notFound', `this host has no drive ${drive}`);
    const { robotNumber, density } = spec;
    const { volumes } = await nbemm.ListVolumes({ robotNumber, inRobot: true }, { signal });
    await robots.use(robotNumber, signal, async (library, late) => {
      const row = mounts.rowsOfRobot(robotNumber).find((each) => each.drive === drive);
      if (row?.state !== 'idle' || mounts.isMounting(drive)) {
        throw new StatusError('driveAllocated', `drive ${drive} is in use`);
      }
      const cleaner = chooseCleaner(volumes, await library.inventory(), density);
      if (cleaner === undefined) {
        const why = `robot ${robotNumber} has no cleaning cartridge for drive ${drive}`;
        throw new StatusError('noCleaningMedia', why);
      }
      mounts.apply(drive, { type: 'cleaning' });
      try {
        await this.#cleanWith(library, row, cleaner, late);
      } finally {
        mounts.apply(drive, { type: 'cleaned' });
      }
    });
  }

  async #cleanWith(
    library: Library,
    { drive, driveIndex, robotNumber, mediaId: before }: DriveRow,
    { mediaId, barcode }: { mediaId: string; barcode: string },
    signal: AbortSignal,
  ): Promise<void> {
    const { letters, clock, log, config } = this.#parts;
    const onMoved = (move: object): void => log.info({ robot: robotNumber, ...move }, 'moved');
    const job = { library, signal, onMoved, retryPauseMs: config.retryPauseMs };
    const wanted = { barcode, driveIndex, heldDrives: [] };
    const loaded = await carryOut({ ...job, planned: (elements) => plan(elements, wanted) });
    if ('failure' in loaded) throw loaded.failure;
    if (before !== '')
      letters.mediaEvent({ mediaId: before, drive, event: 'MEDIA_EVENT_UNMOUNTED' });
    // In the drive it is used up, whatever happens next.
    this.change(drive, { usedMs: 0, lastMs: clock.nowMs(), wanted: '' });
    letters.mediaEvent({ mediaId, drive, event: 'MEDIA_EVENT_CLEANED' });
    log.info({ drive, mediaId }, 'a drive is cleaned');
    const home = await carryOut({ ...job, planned: (elements) => planHome(elements, driveIndex) });
    // It goes home with the volumes that nobody uses.
    if ('failure' in home) log.warn({ err: home.failure, drive, mediaId }, 'it stays in the drive');
  }
}
