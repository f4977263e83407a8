// The file of users and passwords: lines of `user:password`. It is read at every login, so that a changed password
// counts at once; it must be closed to others, and its content never reaches a log or an error.

import { createHash, timingSafeEqual } from 'node:crypto';
import { open } from 'node:fs/promises';
import { StatusError } from '@tapestry/status';

export interface PasswordCheck {
  /** True when the user exists with this password; takes the same time whichever part is wrong. */
  isRight(user: string, password: string): Promise<boolean>;
}

const SIZE_MAX_BYTES = 64 * 1024;
const OTHERS_MAY_READ = 0o007;

export function passwordFile(path: string): PasswordCheck {
  return {
    isRight: async (user, password) => {
      const given = digest(`${user}:${password}`);
      let right = false;
      // Every line is compared, also after a match: the time tells nothing about who is in the file.
      for (const line of await readLines(path)) {
        if (timingSafeEqual(digest(line), given)) right = true;
      }
      return right && !user.includes(':');
    },
  };
}

async function readLines(path: string): Promise<string[]> {
  let file: Awaited<ReturnType<typeof open>>;
  try {
    file = await open(path, 'r');
  } catch (error) {
    throw new StatusError(
      'fileOpenFailed',
      'nobody can log in: the password file of the console cannot be read',
      { path },
      { cause: error },
    );
  }
  try {
    const { mode, size } = await file.stat();
    if ((mode & OTHERS_MAY_READ) !== 0) {
      throw new StatusError(
        'accessNotAllowed',
        'nobody can log in: others may read the password file of the console (chmod 0400 it)',
        { path },
      );
    }
    if (size > SIZE_MAX_BYTES) {
      throw new StatusError('invalidParameter', 'the password file of the console is too large', {
        path,
      });
    }
    const text = await file.readFile('utf8');
    return text.split(/\r?\n/).filter((line) => /^[^:#][^:]*:./.test(line));
  } finally {
    await file.close();
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
