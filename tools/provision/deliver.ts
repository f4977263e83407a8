// Puts each container's secrets onto its own volume, readable by its user alone.

import {
  chmodSync,
  chownSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Delivery } from './secret-store.ts';

/** `out` has a folder (a mounted volume) for each container. Files that are no longer delivered are removed. */
export function deliver(out: string, deliveries: Readonly<Record<string, Delivery>>): void {
  for (const [name, { files, ownerId }] of Object.entries(deliveries)) {
    const folder = join(out, name);
    mkdirSync(folder, { recursive: true });
    for (const old of readdirSync(folder)) {
      if (files[old] === undefined) rmSync(join(folder, old), { recursive: true, force: true });
    }
    for (const [file, content] of Object.entries(files)) {
      const path = join(folder, file);
      writeFileSync(`${path}.new`, content, { mode: 0o400 });
      chownSync(`${path}.new`, ownerId, ownerId);
      renameSync(`${path}.new`, path);
    }
    chownSync(folder, ownerId, ownerId);
    chmodSync(folder, 0o500);
  }
}
