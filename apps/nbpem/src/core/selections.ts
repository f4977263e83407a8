// What a policy's list of paths means: one selection for each path, with the NDMP variables that were set before it.
// One path is one NDMP operation, one job and one image (docs/adr/0002-one-path-one-image.md).

import type { EnvVar } from '@tapestry/contracts';
import { StatusError } from '@tapestry/status';

export interface Selection {
  readonly path: string;
  readonly env: readonly EnvVar[];
}

/** Variables that the backup itself sets: a policy that set one would break levels or restores. */
const RESERVED: ReadonlySet<string> = new Set([
  ...['FILESYSTEM', 'PREFIX', 'LEVEL', 'DIRECT', 'EXTRACT', 'BASE_DATE', 'DUMP_DATE'],
]);
const SET = /^SET\s+([^\s=]+)\s*=\s*(.*)$/;
const UNSET = /^UNSET\s+(\S+)$/;

/** Errors: 223 a directive that cannot be, 106 a wildcard or a directive that asks the filer. */
export function selectionsOf(includes: readonly string[]): Selection[] {
  const env = new Map<string, string>();
  const selections: Selection[] = [];
  for (const line of includes.map((each) => each.trim())) {
    if (line === '' || line === 'NEW_STREAM') continue;
    if (line.startsWith('/')) {
      checkPath(line);
      const set = [...env].map(([name, value]) => ({ name, value }));
      // As bpdbm spells it: the image must be found again under the path of its job.
      selections.push({ path: line.replace(/(?<=.)\/+$/, ''), env: set });
      continue;
    }
    applyDirective(line, env);
  }
  return selections;
}

function applyDirective(line: string, env: Map<string, string>): void {
  const set = SET.exec(line);
  const unset = UNSET.exec(line);
  if (set !== null) {
    const [, name = '', value = ''] = set;
    if (RESERVED.has(name)) {
      throw new StatusError('invalidEntry', `a policy may not set ${name}: the backup itself does`);
    }
    env.set(name, value);
  } else if (unset !== null) env.delete(unset[1]!);
  else if (line === 'UNSET_ALL') env.clear();
  else if (/^(ALL_FILESYSTEMS|VOLUME_EXCLUDE_LIST)/.test(line)) {
    throw new StatusError('badPathname', `${line}: this release wants the paths themselves`);
  } else {
    throw new StatusError('invalidEntry', `'${line}' is neither a path nor a directive`);
  }
}

function checkPath(path: string): void {
  if (/[*?[\]]/.test(path)) {
    throw new StatusError('badPathname', `${path}: wildcards are not expanded, name the paths`);
  }
}
