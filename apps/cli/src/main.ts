// `main.ts <command> [words]`: what every file in bin/ starts. Loads only what the command needs, because people wait.

import { enableCompileCache } from 'node:module';
import { basename, join } from 'node:path';

// Compiled code is kept beside the checkout; where that may not be written, starting takes a little longer.
enableCompileCache(join(import.meta.dirname, '../../../.cache/compile'));
const { findCommand } = await import('./commands.ts');
const { runCommand, shellCode } = await import('./run-command.ts');
const { makeContext } = await import('./process-context.ts');

const [, , given = '', ...words] = process.argv;
const name = basename(given);
const command = await findCommand(name);
if (command === undefined) {
  process.stderr.write(`${name || 'tapestry'}: no such command; docs/commands.md lists them\n`);
  process.exit(144);
}
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // The reader of a pipe (`| head`) had enough.
  if (error.code === 'EPIPE') process.exit(0);
  throw error;
});
const { context, close } = makeContext(name);
process.exitCode = shellCode(await runCommand(command, words, context));
await close();
