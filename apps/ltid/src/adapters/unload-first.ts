// A robot whose drives let no cartridge go until they were told to unload: those that this host reaches over iSCSI are told
// before each move out of them.

import { setTimeout as pause } from 'node:timers/promises';
import { ejectFromIscsiDrive, type IscsiPlace } from '@tapestry/iscsi';
import { StatusError, type StatusName } from '@tapestry/status';
import type {
  DriveOwner,
  Library,
  LibraryElement,
  LibraryIdentity,
  MoveOptions,
} from '@tapestry/storage';

export interface UnloadFirstParts {
  readonly library: Library;
  /** Path of a drive by its number in the robot, from 0; undefined: none of this host over iSCSI. */
  readonly drivePathOf: (driveIndex: number) => string | undefined;
  readonly place: IscsiPlace;
  readonly timeoutMs: number;
}

/** Away for a moment, perhaps. */
const AWAY = new Set<StatusName>(['cannotConnect', 'connectTimedOut', 'networkBroken']);
const PAUSES_MS = [1_000, 4_000];

export class UnloadFirst implements Library {
  readonly #parts: UnloadFirstParts;
  /** Numbers of drives by their address. */
  #drives: ReadonlyMap<number, number> | undefined;

  constructor(parts: UnloadFirstParts) {
    this.#parts = parts;
  }

  identity(): Promise<LibraryIdentity> {
    return this.#parts.library.identity();
  }

  async inventory(): Promise<readonly LibraryElement[]> {
    return this.#noted(await this.#parts.library.inventory());
  }

  async rescan(): Promise<readonly LibraryElement[]> {
    return this.#noted(await this.#parts.library.rescan());
  }

  /** Errors: 83 the drive cannot be reached, 87 it does not unload, 97 or 902 somebody has it, and those of the robot. */
  async move(from: number, to: number, options: MoveOptions = {}): Promise<void> {
    if (this.#drives === undefined) await this.inventory();
    const index = this.#drives?.get(from);
    const path = index === undefined ? undefined : this.#parts.drivePathOf(index);
    if (path !== undefined) await this.#eject(path, options.fence ?? null);
    await this.#parts.library.move(from, to, options);
  }

  close(): Promise<void> {
    return this.#parts.library.close();
  }

  #noted(elements: readonly LibraryElement[]): readonly LibraryElement[] {
    const drives = elements.filter(({ type }) => type === 'drive');
    this.#drives = new Map(drives.map(({ address, index }) => [address, index]));
    return elements;
  }

  async #eject(path: string, owner: DriveOwner | null): Promise<void> {
    const { place, timeoutMs } = this.#parts;
    for (let attempt = 0; ; attempt += 1) {
      try {
        return await ejectFromIscsiDrive(path, owner, place, timeoutMs);
      } catch (error) {
        if (!(error instanceof StatusError)) throw error;
        const pauseMs = AWAY.has(error.status) ? PAUSES_MS[attempt] : undefined;
        if (pauseMs === undefined) throw judge(error, path);
        await pause(pauseMs);
      }
    }
  }
}

function judge(error: StatusError, path: string): StatusError {
  const { status, detail } = error;
  const isStuck = status === 'mediaPositionError';
  const judged = AWAY.has(status) ? 'mediaOpenError' : isStuck ? 'mediaCloseError' : status;
  return new StatusError(judged, `${path}: ${detail}`, {}, { cause: error });
}
