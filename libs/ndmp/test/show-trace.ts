// Shows a recorded session message by message: node libs/ndmp/test/show-trace.ts FILE
// Passwords, digests, challenges and secret variables are not shown, even where the recording has them.

import { readFileSync } from 'node:fs';
import { traceLines } from '../src/trace.ts';
import { readTrace } from '../src/trace-file.ts';

process.stdout.on('error', () => process.exit()); // whoever reads may have seen enough
const file = process.argv[2] ?? '/dev/stdin';
for (const line of traceLines(readTrace(readFileSync(file, 'utf8')))) {
  process.stdout.write(`${line}\n`);
}
