// What ltid does with volumes that nobody uses: those that stayed in a drive for the unmount delay go home, and what a crash
// left in a drive or in the robot's hand is found and put away. Promises to touch no drive that somebody holds.

import type { Clock, Logger } from '@tapestry/runtime';
import type { Library, LibraryElement } from '@tapestry/storage';
import type { Robots } from './adapters/robots.ts';
import type { Config } from './config.ts';
import { type DriveRow, isDueHome } from './core/drive-row.ts';
import { driveAt, planHome, planPutDown } from './core/plan.ts';
import type { Letters } from './letters.ts';
import { DEVICE_FAILURES, type Mounts } from './mounts.ts';
import { carryOut } from './robot-moves.ts';

export interface HousekeepingParts {
  readonly mounts: Mounts;
  readonly robots: Robots;
  readonly letters: Letters;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: Readonly<Config>;
  readonly stopping: AbortSignal;
}

interface Tidying {
  readonly robotNumber: number;
  readonly library: Library;
  readonly signal: AbortSignal;
}

const TOLD_MAX = 1_000;

export class Housekeeping {
  readonly #parts: HousekeepingParts;
  /** Robots whose drives were compared with the table since this daemon began. */
  readonly #compared = new Set<number>();
  /** Barcodes, or places, that were complained about: once is enough. */
  readonly #told = new Set<string>();

  constructor(parts: HousekeepingParts) {
    this.#parts = parts;
  }

  /** Looks at each robot that has something to put away, or was not looked at since the start. */
  async run(): Promise<void> {
    const { robots, log, stopping } = this.#parts;
    const numbers = new Set(robots.drives.map(({ robotNumber }) => robotNumber));
    for (const robotNumber of numbers) {
      if (stopping.aborted) return;
      if (this.#compared.has(robotNumber) && this.#due(robotNumber).length === 0) continue;
      try {
        await robots.use(robotNumber, stopping, (library, signal) =>
          this.#tidy({ robotNumber, library, signal }),
        );
        this.#compared.add(robotNumber);
      } catch (error) {
        robots.forget();
        if (!stopping.aborted) log.warn({ err: error, robotNumber }, 'a robot cannot be tidied');
      }
    }
  }

  async #tidy(work: Tidying): Promise<void> {
    const elements = await work.library.inventory();
    for (const row of this.#parts.mounts.rowsOfRobot(work.robotNumber)) this.#sight(row, elements);
    await this.#emptyHand(work, elements);
    for (const row of this.#due(work.robotNumber)) {
      // A grant may have come for it while the robot was busy with another.
      const isStillDue = this.#due(work.robotNumber).some(({ drive }) => drive === row.drive);
      if (isStillDue) await this.#takeHome(work, row);
    }
  }

  #due(robotNumber: number): readonly DriveRow[] {
    const { mounts, clock, config } = this.#parts;
    return mounts
      .rowsOfRobot(robotNumber)
      .filter((row) => isDueHome(row, clock.nowMs(), config.unmountDelayMs))
      .filter(({ drive }) => !mounts.isMounting(drive));
  }

  /** What is in a drive that other hosts reach too may be theirs, unless we brought it. */
  #sight(row: DriveRow, elements: readonly LibraryElement[]): void {
    const { mounts, robots } = this.#parts;
    if (robots.isShared(row.drive) && row.mediaId === '') return;
    const drive = driveAt(elements, row.driveIndex);
    if (drive === undefined) this.#tell(`drive ${row.drive}`, 'its robot has no such drive');
    // Somebody has it open whom we do not know: no conclusion.
    if (!drive?.accessible) return;
    mounts.apply(row.drive, { type: 'sighted', full: drive.full });
    if (!drive.full || row.mediaId !== '') return;
    const what = drive.barcode ?? 'a volume without a readable barcode';
    this.#tell(`${what} in ${row.drive}`, 'a volume that nobody asked for is in a drive');
  }

  async #emptyHand(work: Tidying, elements: readonly LibraryElement[]): Promise<void> {
    const hand = elements.find(({ type, full }) => type === 'robot' && full);
    if (hand === undefined) return;
    const what = hand.barcode ?? 'a volume without a readable barcode';
    this.#tell(`${what} in the hand of robot ${work.robotNumber}`, 'the robot holds a volume');
    const outcome = await carryOut({ ...this.#job(work), planned: planPutDown });
    if ('failure' in outcome) {
      this.#tell(`${what}: ${outcome.failure.detail}`, 'the robot cannot put its volume down');
    }
  }

  async #takeHome(work: Tidying, { drive, driveIndex, mediaId }: DriveRow): Promise<void> {
    const { mounts, letters, log } = this.#parts;
    const outcome = await carryOut({
      ...this.#job(work),
      planned: (elements) => planHome(elements, driveIndex),
    });
    if (!('failure' in outcome)) {
      mounts.apply(drive, { type: 'sighted', full: false });
      return letters.mediaEvent({ mediaId, drive, event: 'MEDIA_EVENT_UNMOUNTED' });
    }
    const { failure, at } = outcome;
    log.warn({ err: failure, drive, mediaId }, 'a volume cannot be taken home');
    mounts.apply(drive, { type: 'stuck', reason: failure.detail });
    if (at !== null && DEVICE_FAILURES.has(failure.status)) {
      letters.driveDown(drive, `it does not give its volume back: ${failure.detail}`);
    }
  }

  #job({ library, signal, robotNumber }: Tidying) {
    const { config, log } = this.#parts;
    const onMoved = (move: object): void => log.info({ robot: robotNumber, ...move }, 'moved');
    return { library, signal, onMoved, retryPauseMs: config.retryPauseMs };
  }

  #tell(what: string, text: string): void {
    if (this.#told.has(what)) return;
    if (this.#told.size >= TOLD_MAX) this.#told.clear();
    this.#told.add(what);
    this.#parts.log.warn({ what }, text);
  }
}
