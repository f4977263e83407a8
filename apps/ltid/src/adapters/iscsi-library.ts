// A robot behind an iSCSI target. Its session is made when it is first needed and outlives lost connections; a robot that
// cannot be reached for now counts as down, not as missing.

import type { RobotSpec } from '@tapestry/contracts';
import { IscsiError, type IscsiPlace, openIscsiLibrary } from '@tapestry/iscsi';
import { StatusError } from '@tapestry/status';
import type { Library, LibraryElement, LibraryIdentity } from '@tapestry/storage';
import { anotherText, isAnother } from '../core/device-check.ts';

export class IscsiLibrary implements Library {
  readonly #path: string;
  /** On record; empty: whoever answers is right. */
  readonly #serial: string;
  readonly #place: IscsiPlace;
  #opened: Promise<Library> | undefined;

  constructor({ path, serial }: Pick<RobotSpec, 'path' | 'serial'>, place: IscsiPlace) {
    this.#path = path;
    this.#serial = serial;
    this.#place = place;
  }

  identity(): Promise<LibraryIdentity> {
    return this.#use((library) => library.identity());
  }

  inventory(): Promise<readonly LibraryElement[]> {
    return this.#use((library) => library.inventory());
  }

  rescan(): Promise<readonly LibraryElement[]> {
    return this.#use((library) => library.rescan());
  }

  /** No fence: a drive that somebody holds refuses (97) until it was taken from them. */
  move(from: number, to: number): Promise<void> {
    return this.#use((library) => library.move(from, to));
  }

  async close(): Promise<void> {
    const opened = this.#opened;
    this.#opened = undefined;
    await opened?.then(
      (library) => library.close(),
      () => undefined,
    );
  }

  /** Error: 2059 another robot answers at this path. */
  async #open(): Promise<Library> {
    const library = await openIscsiLibrary(this.#path, this.#place);
    const { serial } = await library.identity();
    if (!isAnother(this.#serial, serial)) return library;
    await library.close();
    throw new StatusError('robotMissing', anotherText('robot', this.#serial, serial));
  }

  async #use<T>(work: (library: Library) => Promise<T>): Promise<T> {
    this.#opened ??= this.#open();
    const opened = this.#opened;
    try {
      return await work(await opened);
    } catch (error) {
      const failure = judge(error, this.#path);
      // A session keeps the credentials that it was made with: the next one reads them again.
      if (failure.status !== 'robotDown' && isOfConnection(error)) await this.close();
      else await opened.catch(() => this.close());
      throw failure;
    }
  }
}

function isOfConnection(error: unknown): boolean {
  return error instanceof StatusError && error.cause instanceof IscsiError;
}

/** What the changer itself said stands; that it could not be asked is a matter of time, unless the login was refused. */
function judge(error: unknown, path: string): StatusError {
  if (!(error instanceof StatusError)) throw error;
  const { cause } = error;
  if (!(cause instanceof IscsiError)) return error;
  const isGone = error.status === 'robotMissing' && !cause.isPermanent;
  const status = isGone ? 'robotDown' : error.status;
  return new StatusError(status, `${path}: ${error.detail}`, error.context, { cause });
}
