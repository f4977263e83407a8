import { expect, test } from 'vitest';
import { compareLeases, type Lease, leaseOf, requireSameLease } from './fence.ts';

const lease = (tryNumber: number, grantId: string, epoch: bigint): Lease => ({
  attempt: { jobId: 7n, try: tryNumber, step: 0 },
  grantId,
  epoch,
});

test.each([
  [lease(1, 'a', 1n), 'same'],
  [lease(2, 'b', 1n), 'newer'],
  [lease(1, 'b', 2n), 'newer'],
  [lease(1, 'b', 1n), 'older'],
  [lease(0, 'z', 9n), 'older'],
  [lease(1, 'a', 0n), 'older'],
])('against try 1 of grant a, epoch 1: %o is %s', (asked, expected) => {
  expect(compareLeases(lease(1, 'a', 1n), asked)).toBe(expected);
});

test('a call under any other lease is refused', () => {
  expect(() => requireSameLease(lease(1, 'a', 1n), lease(2, 'b', 2n))).toThrow(/902/);
  expect(() => requireSameLease(lease(1, 'a', 1n), lease(1, 'a', 1n))).not.toThrow();
});

test('a reference without an attempt is no lease', () => {
  expect(() => leaseOf({ attempt: null, grantId: 'a', epoch: 1n })).toThrow(/133/);
});
