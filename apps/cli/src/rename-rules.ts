// The file that bprestore -R names: lines `change /from to /to`, which say where files go.

import { StatusError } from '@tapestry/status';
import { pathBytes } from './render/file.ts';

export interface RenameRule {
  readonly from: Uint8Array;
  readonly to: Uint8Array;
}

const RULE = /^\s*(?:change|rename)\s+(\S.*?)\s+to\s+(\S.*?)\s*$/;

/** Error: 144 with the line that is none. */
export function parseRenameRules(lines: readonly string[]): RenameRule[] {
  return lines
    .filter((line) => !line.trimStart().startsWith('#'))
    .map((line) => {
      const [, from, to] = RULE.exec(line) ?? [];
      if (from === undefined || to === undefined || !from.startsWith('/') || !to.startsWith('/')) {
        throw new StatusError('badUsage', `'${line.trim()}' is not: change /from to /to`);
      }
      return { from: pathBytes(from), to: pathBytes(to) };
    });
}
