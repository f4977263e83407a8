// `npm run new:daemon -- <name>`: writes the skeleton of a daemon that starts, answers, and passes its tests.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { ROOT } from '../launcher/layout.ts';
import { daemonFiles } from './templates.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { root: { type: 'string' }, help: { type: 'boolean' } },
});
const [name] = positionals;
if (values.help || name === undefined) {
  process.stdout.write(
    'npm run new:daemon -- <name>\n\nWrites apps/<name> and its contract. The name is a word of lower case letters and digits.\n',
  );
  process.exit(values.help ? 0 : 144);
}
process.exit(write(name, values.root ?? ROOT));

function write(daemon: string, root: string): number {
  if (!/^[a-z][a-z0-9]{1,30}$/.test(daemon)) {
    process.stderr.write(
      `new:daemon: '${daemon}' is no name: take lower case letters and digits\n`,
    );
    return 20;
  }
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  const files = daemonFiles(daemon, version);
  const taken = files.find(({ path }) => existsSync(join(root, path)));
  if (taken !== undefined) {
    process.stderr.write(`new:daemon: ${taken.path} exists already\n`);
    return 226;
  }
  for (const { path, text } of files) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    process.stdout.write(`  ${path}\n`);
  }
  process.stdout.write(
    `\nNext: npm install (links the new workspace), npm test -- ${daemon}, npm run dev -- ${daemon}.\n` +
      'The launcher starts it from now on, because it has a service in the contracts; for containers give it a port in\n' +
      'tools/provision/services.ts and run node deploy/generate.ts: compose and Kubernetes files are made from there.\n',
  );
  return 0;
}
