import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { generatedFiles } from './generated-files.ts';

test.each(Object.entries(generatedFiles()))('%s is what the model says', (name, text) => {
  const path = join(import.meta.dirname, name);
  expect(existsSync(path), 'run: node deploy/generate.ts').toBe(true);
  expect(readFileSync(path, 'utf8'), 'run: node deploy/generate.ts').toBe(text);
});
