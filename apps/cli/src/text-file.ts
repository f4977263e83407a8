// Files that options name: lists of paths and rename rules, one a line.

import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { StatusError } from '@tapestry/status';

/** Lines that say something. Error: 12. */
export function readLines(cwd: string, file: string): string[] {
  let text: string;
  try {
    text = readFileSync(resolve(cwd, file), 'utf8');
  } catch (cause) {
    throw new StatusError('fileOpenFailed', `the file ${file} cannot be read`, {}, { cause });
  }
  return text.split(/\r?\n/).filter((line) => line.trim() !== '');
}
