// The shared drives of this host, found by the grant under which each is mounted.

import type { Lease } from '@tapestry/runtime/fence';
import type { StoredStream, StreamStore } from './adapters/stream-store.ts';
import { latestAppend, sharedMount } from './core/sharing.ts';
import { SharedDrive, type SharedDriveParts } from './shared-drive.ts';

export class SharedDrives {
  readonly #parts: SharedDriveParts & { readonly store: StreamStore };
  readonly #drives = new Map<string, SharedDrive>();

  constructor(parts: SharedDriveParts & { readonly store: StreamStore }) {
    this.#parts = parts;
  }

  /** Undefined for a stream that has its drive alone. */
  of(request: StoredStream['request']): SharedDrive | undefined {
    const mount = sharedMount(request);
    const { grant } = request;
    if (mount === null || grant === null) return undefined;
    const known = this.#drives.get(mount.grantId);
    if (known !== undefined) return known;
    const drive = new SharedDrive(this.#parts, {
      ...{ grant, mount },
      appendOn: (volume) => {
        const here = this.#fragmentsUnder(mount).filter(
          ({ mediaId }) => mediaId === volume?.mediaId,
        );
        return latestAppend(volume?.append ?? null, here);
      },
    });
    this.#drives.set(mount.grantId, drive);
    return drive;
  }

  /** Those whose streams were all forgotten. */
  forget(): void {
    const kept = new Set(
      this.#parts.store.all().map(({ request }) => sharedMount(request)?.grantId),
    );
    for (const [grantId, drive] of this.#drives) {
      if (drive.isIdle && !kept.has(grantId)) this.#drives.delete(grantId);
    }
  }

  /** Also of a life of bptm before this one: what these streams closed must not be written over. */
  #fragmentsUnder(mount: Lease) {
    return this.#parts.store
      .all()
      .filter(({ request }) => sharedMount(request)?.grantId === mount.grantId)
      .flatMap(({ stream }) => stream.fragments);
  }
}
