// Device paths as people type them, and as they are kept.

import { resolve } from 'node:path';
import { iscsiPath, isIscsiPath, parseIscsiPath } from '@tapestry/iscsi';

/** `vtl:folder` with the folder as seen from everywhere, iSCSI with its port. Error: 20 it looks like iSCSI, and is not. */
export function devicePath(cwd: string, path: string): string {
  if (isIscsiPath(path)) return iscsiPath(parseIscsiPath(path));
  return path.startsWith('vtl:') ? `vtl:${resolve(cwd, path.slice('vtl:'.length))}` : path;
}
