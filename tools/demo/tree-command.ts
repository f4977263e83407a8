// node tools/demo/tree-command.ts make DIR | compare DIR DIR: the demo's trees where they are on another machine or in a
// container. Compare prints what differs and exits with 1 when anything does.

import { mkdirSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { compareTrees } from './compare.ts';
import { DEMO_SIZE, makeTree } from './tree.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    files: { type: 'string', default: String(DEMO_SIZE.files) },
    bytes: { type: 'string', default: String(DEMO_SIZE.bytes) },
  },
});
const [action, first, second] = positionals;
if (action === 'make' && first !== undefined) {
  mkdirSync(first, { recursive: true });
  makeTree(first, { files: Number(values.files), bytes: Number(values.bytes) });
} else if (action === 'compare' && first !== undefined && second !== undefined) {
  const { differences, files, folders, others, bytes } = compareTrees(first, second);
  for (const difference of differences) process.stdout.write(`DIFFERENT: ${difference}\n`);
  process.stdout.write(
    `compared ${files} files (${bytes} bytes), ${folders} folders, ${others} links and others\n`,
  );
  process.exitCode = differences.length === 0 && files > 0 ? 0 : 1;
} else {
  process.stderr.write('tree-command make DIR [--files N] [--bytes N] | compare DIR DIR\n');
  process.exitCode = 144;
}
