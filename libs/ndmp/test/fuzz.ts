// Fuzzes the protocol: node libs/ndmp/test/fuzz.ts --cases N --seconds S --seed X [--case I]
// Ends with 1 if any case failed, or if the memory in use went on growing, and says how to see a failed case again. What
// a run does depends on seed and number of cases alone.

import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { fuzz, fuzzCase } from './fuzz-run.ts';

const { values } = parseArgs({
  options: {
    cases: { type: 'string', default: '1000000' },
    seconds: { type: 'string', default: '3600' },
    seed: { type: 'string', default: '1' },
    case: { type: 'string' },
  },
});

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

function memoryBytes(): number {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return heapUsed + arrayBuffers;
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

const GROWTH_BYTES_MAX = 64 * 1024 * 1024;
const seed = Number(values.seed);
if (values.case !== undefined) {
  const failure = fuzzCase(seed, Number(values.case));
  say(failure === undefined ? 'holds' : failure.stack);
  process.exitCode = failure === undefined ? 0 : 1;
} else {
  say(`seed ${seed}`);
  const startMs = performance.now();
  const limitMs = Number(values.seconds) * 1000;
  const report = fuzz({
    seed,
    cases: Number(values.cases),
    memoryBytes,
    goOn: () => performance.now() - startMs < limitMs,
  });
  const seconds = (performance.now() - startMs) / 1000;
  for (const { index, kind, stack } of report.failures) {
    say(`FAILED fuzz (${kind}): node libs/ndmp/test/fuzz.ts --seed ${seed} --case ${index}`);
    say(stack);
  }
  const { cases, kinds, failures, growthBytes } = report;
  const perSecond = Math.round(cases / seconds);
  say(JSON.stringify({ seed, cases, kinds, failures: failures.length, growthBytes, perSecond }));
  const isGrowing = growthBytes > GROWTH_BYTES_MAX;
  if (isGrowing) say(`FAILED fuzz: seed ${seed} made memory grow by ${growthBytes} bytes`);
  process.exitCode = failures.length === 0 && !isGrowing ? 0 : 1;
}
