// A robot that another host controls: its ltid reads the elements and makes the moves. The lease that fences a move goes along.

import type { Client } from '@tapestry/bus';
import type { RobotSpec } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';
import type { Library, LibraryElement, LibraryIdentity, MoveOptions } from '@tapestry/storage';
import { elementOfRow } from './element-rows.ts';

export interface RemoteLibraryParts {
  readonly ltid: Client<'ltid'>;
  readonly spec: RobotSpec;
}

export class RemoteLibrary implements Library {
  readonly #parts: RemoteLibraryParts;

  constructor(parts: RemoteLibraryParts) {
    this.#parts = parts;
  }

  /** The control host's business: it is not asked for. */
  async identity(): Promise<LibraryIdentity> {
    const { controlHost, number } = this.#parts.spec;
    throw new StatusError('notImplemented', `${controlHost} knows what kind robot ${number} is`);
  }

  inventory(): Promise<readonly LibraryElement[]> {
    return this.#read(true);
  }

  rescan(): Promise<readonly LibraryElement[]> {
    return this.#read(false);
  }

  async move(from: number, to: number, { fence }: MoveOptions = {}): Promise<void> {
    const { ltid, spec } = this.#parts;
    await ltid.MoveMedium({
      ...{ robotNumber: spec.number, fromAddress: from, toAddress: to },
      fence: fence === undefined ? null : { ...fence, attempt: null },
    });
  }

  async close(): Promise<void> {}

  async #read(asBelieved: boolean): Promise<readonly LibraryElement[]> {
    const { ltid, spec } = this.#parts;
    const { elements } = await ltid.ReadElements({ robotNumber: spec.number, asBelieved });
    return elements.map(elementOfRow);
  }
}
