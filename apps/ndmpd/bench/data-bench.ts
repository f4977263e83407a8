// How fast ndmpd saves and recovers: one large file and many small ones, beside a plain copy, GNU tar and NDMJOB
// where it can be had. All take turns, and the middle of the rounds counts, without a first one:
//
//   node apps/ndmpd/bench/data-bench.ts [--gib 1] [--files 200000] [--rounds 3] [--dir FOLDER] [--json]

import { mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Figure, printFigures } from '../../../tools/bench/figures.ts';
import { figuresOf } from './results.ts';
import { Rounds } from './rounds.ts';
import { type BenchServer, startNdmpd, startPeer } from './servers.ts';
import { benchFolder, makeLargeFile, makeSmallFiles } from './trees.ts';

const BLOCK_BYTES = 4096;
const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '1' },
    files: { type: 'string', default: '200000' },
    rounds: { type: 'string', default: '3' },
    dir: { type: 'string' },
    only: { type: 'string', default: 'backup,recovery' },
    json: { type: 'boolean', default: false },
  },
});
const largeBytes = Number(values.gib) * 2 ** 30;
const files = Number(values.files);
// The trees, a recovered one, the images that each server recovers from.
const neededBytes = 4 * largeBytes + 4 * files * BLOCK_BYTES;
const work = mkdtempSync(join(values.dir ?? benchFolder(neededBytes), 'ndmpd-bench-'));
const servers: BenchServer[] = [];
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(1));
// However it ends: nobody may be there any more to read what is printed.
process.once('exit', () => rmSync(work, { recursive: true, force: true, maxRetries: 5 }));
process.stderr.write(`ndmpd: ${values.gib} GiB in one file, ${files} small ones, in ${work}\n`);

try {
  printFigures(await measure(), values.json);
} finally {
  for (const server of servers.splice(0)) await server.stop();
}

async function measure(): Promise<Figure[]> {
  makeLargeFile(join(work, 'large'), largeBytes);
  makeSmallFiles(join(work, 'small'), files);
  makeSmallFiles(join(work, 'empty'), 0);
  servers.push(await startNdmpd(work));
  const peer = await startPeer(work);
  if (typeof peer === 'string') process.stderr.write(`without NDMJOB beside it: ${peer}\n`);
  else servers.push(peer);
  const rounds = new Rounds(work, servers, values.only.split(','));
  for (let i = 0; i <= Number(values.rounds); i += 1) await rounds.run({ counts: i > 0 });
  return figuresOf(rounds, { largeBytes, files });
}
