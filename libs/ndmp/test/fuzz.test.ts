// A bounded run of the fuzzer with a fixed seed. Longer ones: node libs/ndmp/test/fuzz.ts --seconds 3600.

import { expect, test } from 'vitest';
import { fuzz } from './fuzz-run.ts';

const CASES = 700_000;

test(`${CASES} fuzz cases hold`, () => {
  const memoryBytes = (): number => process.memoryUsage().arrayBuffers;
  const report = fuzz({ seed: 20, cases: CASES, memoryBytes });
  expect(report.failures).toEqual([]);
  expect(report.cases).toBe(CASES);
  expect(report.growthBytes).toBeLessThan(64 * 1024 * 1024);
}, 300_000);
