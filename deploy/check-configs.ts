// What `main.ts --check-config` says in each of many environments, asked in this one process: what the daemons load, most of
// it the same, is loaded once. Reads a JSON list of what to start from stdin; ends at the first that refuses, as it ends.

import { readFileSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

export interface Start {
  /** Named before its daemon speaks. */
  readonly name: string;
  readonly main: string;
  readonly env: Readonly<Record<string, string>>;
}

const starts = JSON.parse(readFileSync(0, 'utf8')) as readonly Start[];
for (const [index, { name, main, env }] of starts.entries()) {
  process.stdout.write(`${name}: `);
  process.argv = [process.execPath, main, '--check-config'];
  process.env = { ...env };
  // A module with another query is another module, so that main.ts runs again.
  await import(`${pathToFileURL(main)}?${index}`);
}
