// Files that options name: lists of paths and rename rules, one a line, and what is to be written down.

import { readFileSync, writeFileSync } from 'node:fs';
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

/** Error: 14. */
export function writeText(cwd: string, file: string, text: string): void {
  try {
    writeFileSync(resolve(cwd, file), text);
  } catch (cause) {
    throw new StatusError('fileWriteFailed', `the file ${file} cannot be written`, {}, { cause });
  }
}
