// Looks whether the iSCSI drives and robots of this host are those on record: at the start, and again now and then. What is
// new is recorded, a drive that is another one is taken down with the reason. Uses no drive, so that a writer is not disturbed.

import type { Client } from '@tapestry/bus';
import type { DriveSpec, RecordSerialRequest } from '@tapestry/contracts';
import type { Clock, Logger } from '@tapestry/runtime';
import { asStatusError } from '@tapestry/status';
import type { LibraryElement } from '@tapestry/storage';
import { driveIndexOf, type Robots } from './adapters/robots.ts';
import { judgeDevice } from './core/device-check.ts';
import type { Letters } from './letters.ts';

export interface DeviceCheckParts {
  readonly robots: Robots;
  readonly letters: Letters;
  readonly nbemm: Client<'nbemm'>;
  readonly clock: Clock;
  readonly log: Logger;
  readonly stopping: AbortSignal;
}

const AGAIN_MS = 300_000;

export class DeviceCheck {
  readonly #parts: DeviceCheckParts;
  /** What was told of drives: once is enough. */
  readonly #told = new Map<string, string>();
  #nextMs = 0;
  #isRunning = false;

  constructor(parts: DeviceCheckParts) {
    this.#parts = parts;
  }

  /** Does nothing unless it is time. Never rejects. */
  async run(): Promise<void> {
    const { robots, clock, log, stopping } = this.#parts;
    const isDue = clock.nowMs() >= this.#nextMs && robots.iscsiDrives.length > 0;
    if (!isDue || this.#isRunning) return;
    this.#isRunning = true;
    try {
      await this.#checkAll();
    } catch (error) {
      if (!stopping.aborted) log.warn({ err: error }, 'devices cannot be compared with the record');
    } finally {
      this.#isRunning = false;
    }
  }

  async #checkAll(): Promise<void> {
    const { robots, clock, stopping } = this.#parts;
    // What an operator changed meanwhile counts; the first time it was just learnt.
    if (this.#nextMs > 0) await robots.reload(stopping);
    this.#nextMs = clock.nowMs() + AGAIN_MS;
    const elements = await this.#checkRobots();
    for (const drive of robots.iscsiDrives) {
      stopping.throwIfAborted();
      await this.#checkDrive(drive, elements.get(drive.robotNumber) ?? null);
    }
  }

  /** Elements by robot, of those that can be read. */
  async #checkRobots(): Promise<Map<number, readonly LibraryElement[]>> {
    const { robots, stopping, log } = this.#parts;
    const elements = new Map<number, readonly LibraryElement[]>();
    for (const robotNumber of new Set(robots.iscsiDrives.map((drive) => drive.robotNumber))) {
      try {
        const spec = robots.iscsiRobot(robotNumber);
        const { identity, seen } = await robots.use(robotNumber, stopping, async (library) => ({
          identity: spec?.serial === '' ? await library.identity() : null,
          seen: await library.inventory(),
        }));
        elements.set(robotNumber, seen);
        const serial = identity?.serial ?? '';
        if (serial !== '') await this.#record({ drive: '', robotNumber, serial, replace: false });
      } catch (error) {
        if (stopping.aborted) throw error;
        log.warn({ err: error, robotNumber }, 'a robot cannot be compared with its record');
      }
    }
    return elements;
  }

  async #checkDrive(spec: DriveSpec, elements: readonly LibraryElement[] | null): Promise<void> {
    const { robots, letters, log, stopping } = this.#parts;
    const { name: drive, serial: known, robotNumber } = spec;
    try {
      const { kind, serial: found } = await robots.describe(spec);
      const driveIndex = driveIndexOf(spec);
      const verdict =
        kind === 'tape'
          ? judgeDevice({ known, found, driveIndex, elements })
          : { do: 'down' as const, reason: `${spec.path} is no tape drive` };
      if (verdict.do === 'record') {
        await this.#record({ drive, robotNumber, serial: found, replace: false });
      }
      const reason = verdict.do === 'down' ? verdict.reason : '';
      if (reason !== '' && this.#told.get(drive) !== reason) letters.driveDown(drive, reason);
      this.#told.set(drive, reason);
    } catch (error) {
      if (stopping.aborted) throw error;
      const { status, detail } = asStatusError(error);
      log.warn({ drive, status, detail }, 'a drive cannot be compared with its record');
    }
  }

  async #record(request: RecordSerialRequest): Promise<void> {
    const { nbemm, stopping, log } = this.#parts;
    await nbemm.RecordSerial(request, { signal: stopping });
    const { drive, robotNumber, serial } = request;
    log.info({ drive, robotNumber, serial }, 'a serial number goes on record');
  }
}
