// What others than mounts want of a robot: another host's ltid its moves, an operator moves, import and export, an inventory
// its elements. Promises that nothing is taken out of a drive that somebody holds, but under a later grant.

import type { Call } from '@tapestry/bus';
import type {
  EjectVolumesRequest,
  Init,
  MovedMedium,
  MoveMediumRequest,
  MoveReport,
  ReadElementsReply,
  ReadElementsRequest,
} from '@tapestry/contracts';
import type { Clock, Logger } from '@tapestry/runtime';
import { StatusError } from '@tapestry/status';
import type { DriveOwner, Library, LibraryElement } from '@tapestry/storage';
import { elementRow } from './adapters/element-rows.ts';
import type { Robots } from './adapters/robots.ts';
import type { Glance } from './adapters/watched-library.ts';
import type { Config } from './config.ts';
import type { DriveRow } from './core/drive-row.ts';
import { type Move, type Plan, planEject, planImport } from './core/plan.ts';
import type { Letters } from './letters.ts';
import type { Mounts } from './mounts.ts';
import { carryOut } from './robot-moves.ts';

export interface DeskParts {
  readonly mounts: Mounts;
  readonly robots: Robots;
  readonly letters: Letters;
  readonly clock: Clock;
  readonly log: Logger;
  readonly config: Readonly<Config>;
}

interface Work {
  readonly robotNumber: number;
  readonly library: Library;
  readonly signal: AbortSignal;
}

const BARCODES_MAX = 100;

export class RobotDesk {
  readonly #parts: DeskParts;

  constructor(parts: DeskParts) {
    this.#parts = parts;
  }

  async read(
    { robotNumber, asBelieved, glance }: ReadElementsRequest,
    call: Call,
  ): Promise<Init<ReadElementsReply>> {
    const { robots } = this.#parts;
    if (glance) return glanceReply(await robots.glance(robotNumber, call.signal));
    if (!asBelieved) robots.forget();
    if (call.caller.service === 'ltid') await robots.requireOwn(robotNumber, call.signal);
    const elements = await robots.use(robotNumber, call.signal, (library) =>
      asBelieved ? library.inventory() : library.rescan(),
    );
    return { elements: elements.map(elementRow) };
  }

  async move(request: MoveMediumRequest, call: Call) {
    const { robotNumber, fromAddress: from, toAddress: to, fence: ref } = request;
    const { robots, log } = this.#parts;
    if (call.caller.service === 'ltid') await robots.requireOwn(robotNumber, call.signal);
    const fence = ref === null ? undefined : { grantId: ref.grantId, epoch: ref.epoch };
    await robots.use(robotNumber, call.signal, async (library) => {
      const elements = await library.inventory();
      const rows = this.#rowsAt(robotNumber, elements, [from, to]);
      for (const row of rows) requireFree(row, fence);
      await library.move(from, to, fence === undefined ? {} : { fence });
      this.#noteMove(robotNumber, elements, { from, to });
    });
    log.info({ robot: robotNumber, from, to, by: call.caller }, 'moved for another');
    return {};
  }

  async importAll(robotNumber: number, call: Call): Promise<Init<MoveReport>> {
    return this.#use(robotNumber, call, async (work) => {
      const elements = await work.library.inventory();
      const mail = elements.filter(({ type, full }) => type === 'importExport' && full);
      const media: Init<MovedMedium>[] = [];
      for (const { address, barcode } of mail) {
        const planned = (now: readonly LibraryElement[]): Plan => planImport(now, address);
        media.push(await this.#moveOne(work, elements, { barcode, planned }));
      }
      return { media };
    });
  }

  async eject({ robotNumber, barcodes }: EjectVolumesRequest, call: Call) {
    if (barcodes.length === 0 || barcodes.length > BARCODES_MAX) {
      throw new StatusError('invalidRequest', `name 1 to ${BARCODES_MAX} barcodes`);
    }
    return this.#use(robotNumber, call, async (work) => {
      const media: Init<MovedMedium>[] = [];
      for (const barcode of barcodes) {
        const elements = await work.library.inventory();
        const { rows } = this.#parts.mounts;
        const held = rows.filter((row) => row.robotNumber === robotNumber && row.holder !== null);
        const wanted = { barcode, heldDrives: held.map(({ driveIndex }) => driveIndex) };
        const planned = (now: readonly LibraryElement[]): Plan => planEject(now, wanted);
        media.push(await this.#moveOne(work, elements, { barcode, planned }));
      }
      return { media };
    });
  }

  #use<T>(robotNumber: number, call: Call, work: (work: Work) => Promise<T>): Promise<T> {
    return this.#parts.robots.use(robotNumber, call.signal, (library, signal) =>
      work({ robotNumber, library, signal }),
    );
  }

  async #moveOne(
    { robotNumber, library, signal }: Work,
    elements: readonly LibraryElement[],
    wanted: { barcode: string | null; planned: (elements: readonly LibraryElement[]) => Plan },
  ): Promise<Init<MovedMedium>> {
    const { config, log } = this.#parts;
    let made: Move | undefined;
    const outcome = await carryOut({
      ...{ library, signal, planned: wanted.planned, retryPauseMs: config.retryPauseMs },
      onMoved: (move) => {
        made = move;
        log.info({ robot: robotNumber, ...move }, 'moved');
        this.#noteMove(robotNumber, elements, move);
      },
    });
    const barcode = wanted.barcode ?? '';
    if ('failure' in outcome) {
      const { code, status, detail } = outcome.failure;
      return { barcode, failure: { code, name: status, detail } };
    }
    const at = (address: number | undefined) => {
      const found = elements.find((element) => element.address === address);
      return found === undefined ? null : elementRow(found);
    };
    return { barcode, from: at(made?.from), to: at(made?.to) };
  }

  /** The table, and nbemm, follow what was moved into or out of a drive of this host. */
  #noteMove(
    robotNumber: number,
    elements: readonly LibraryElement[],
    { from, to }: Pick<Move, 'from' | 'to'>,
  ): void {
    const { mounts, letters } = this.#parts;
    for (const { drive, mediaId } of this.#rowsAt(robotNumber, elements, [from])) {
      mounts.apply(drive, { type: 'sighted', full: false });
      letters.mediaEvent({ mediaId, drive, event: 'MEDIA_EVENT_UNMOUNTED' });
    }
    for (const { drive } of this.#rowsAt(robotNumber, elements, [to])) {
      mounts.apply(drive, { type: 'sighted', full: true });
    }
  }

  #rowsAt(
    robotNumber: number,
    elements: readonly LibraryElement[],
    addresses: readonly number[],
  ): readonly DriveRow[] {
    const drives = elements.filter(
      ({ type, address }) => type === 'drive' && addresses.includes(address),
    );
    return this.#parts.mounts
      .rowsOfRobot(robotNumber)
      .filter((row) => drives.some(({ index }) => index === row.driveIndex));
  }
}

function glanceReply({ elements, moving }: Glance): Init<ReadElementsReply> {
  if (moving === null) return { elements: elements.map(elementRow) };
  const { from, to, sinceMs } = moving;
  return {
    elements: elements.map(elementRow),
    moving: { fromAddress: from, toAddress: to, sinceMs: BigInt(sinceMs) },
  };
}

/** Errors: 97, 902. */
function requireFree({ drive, holder }: DriveRow, fence: DriveOwner | undefined): void {
  if (holder === null) return;
  const who = `drive ${drive} is held under grant ${holder.grantId} of job ${holder.attempt.jobId}`;
  if (fence === undefined) throw new StatusError('mediaInUse', who);
  if (fence.epoch <= holder.epoch) throw new StatusError('staleGrant', who);
}
