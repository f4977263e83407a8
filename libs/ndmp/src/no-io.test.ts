// The library says what is to be said; bytes, sockets, files and clocks of the outside are its users'.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const FOLDER = import.meta.dirname;
const ALLOWED = ['node:buffer', 'node:crypto'];
const sources = readdirSync(FOLDER).filter((file) => !/\.test(-data)?\.ts$/.test(file));

test.each(sources)('%s reaches for nothing of the host', (file) => {
  const text = readFileSync(join(FOLDER, file), 'utf8');
  const imports = [...text.matchAll(/from '([^']+)'/g)].map(([, name]) => name ?? '');
  const outside = imports.filter((name) => !name.startsWith('./') && !ALLOWED.includes(name));
  expect(outside.filter((name) => name !== '@tapestry/status')).toEqual([]);
});
