import fc from 'fast-check';
import { expect, test } from 'vitest';
import { addSample, currentRate, movingSamples, ratesOf, type Throughput } from './throughput.ts';

const LIMITS = { pointsMax: 10, jobsMax: 3, spacingMs: 1_000 };

test('a series stays bounded, in order, and keeps its newest point', () => {
  fc.assert(
    fc.property(fc.array(fc.nat({ max: 3_000 }), { minLength: 1, maxLength: 200 }), (steps) => {
      const throughput: Throughput = new Map();
      let atMs = 0;
      for (const stepMs of steps) {
        atMs += stepMs;
        addSample(throughput, { jobId: 1, bytes: atMs * 7 }, atMs, LIMITS);
      }
      const series = throughput.get(1)!;
      expect(series.length).toBeLessThanOrEqual(LIMITS.pointsMax);
      expect(series.at(-1)).toEqual({ atMs, bytes: atMs * 7 });
      expect(series.every((point, i) => i === 0 || point.atMs >= series[i - 1]!.atMs)).toBe(true);
    }),
  );
});

test('a new try starts over, and the longest known job gives way', () => {
  const throughput: Throughput = new Map();
  addSample(throughput, { jobId: 1, bytes: 500 }, 0, LIMITS);
  addSample(throughput, { jobId: 1, bytes: 10 }, 2_000, LIMITS);
  expect(throughput.get(1)).toEqual([{ atMs: 2_000, bytes: 10 }]);
  for (const jobId of [2, 3, 4]) addSample(throughput, { jobId, bytes: 1 }, 0, LIMITS);
  expect([...throughput.keys()]).toEqual([2, 3, 4]);
});

test('rates are bytes by the second', () => {
  const samples = [
    { atMs: 0, bytes: 0 },
    { atMs: 2_000, bytes: 4_000 },
    { atMs: 3_000, bytes: 9_000 },
  ];
  expect(ratesOf(samples).map(({ bytesPerS }) => bytesPerS)).toEqual([2_000, 5_000]);
  expect(currentRate(samples)).toBe(3_000);
  expect(currentRate(samples, 500)).toBe(5_000);
  expect(currentRate(samples.slice(0, 1))).toBeNull();
});

test('messages that were held up and come at once make no peak', () => {
  const throughput: Throughput = new Map();
  const put = (atMs: number, bytes: number): void =>
    addSample(throughput, { jobId: 1, bytes }, atMs, LIMITS);
  put(0, 0);
  put(1_000, 1_000);
  for (let i = 0; i <= 20; i += 1) put(21_000 + i, 1_000 + i * 1_000);
  put(22_000, 22_000);
  const rates = ratesOf(throughput.get(1)!).map(({ bytesPerS }) => Math.round(bytesPerS));
  expect(Math.max(...rates)).toBeLessThanOrEqual(21_000);
  expect(throughput.get(1)!.at(-1)).toEqual({ atMs: 22_000, bytes: 22_000 });
});

test('only what moved in the last minute is moving', () => {
  const throughput: Throughput = new Map();
  addSample(throughput, { jobId: 1, bytes: 1 }, 0, LIMITS);
  addSample(throughput, { jobId: 2, bytes: 1 }, 50_000, LIMITS);
  expect(Object.keys(movingSamples(throughput, 70_000))).toEqual(['2']);
});
