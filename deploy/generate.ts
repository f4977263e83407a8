// node deploy/generate.ts: writes the compose file and the Kubernetes manifests anew. A test compares.

import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { generatedFiles } from './generated-files.ts';

for (const [name, text] of Object.entries(generatedFiles())) {
  const path = join(import.meta.dirname, name);
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
  process.stdout.write(`${name}\n`);
}
