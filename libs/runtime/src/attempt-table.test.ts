import { expect, test } from 'vitest';
import { AttemptTable } from './attempt-table.ts';
import { type Lease, refOf } from './fence.ts';

interface Entry {
  readonly lease: Lease;
}

const lease = (tryNumber: number, epoch: bigint): Lease => ({
  attempt: { jobId: 7n, try: tryNumber, step: 0 },
  grantId: `g${epoch}`,
  epoch,
});

function tableOf(...leases: Lease[]): AttemptTable<Entry> {
  const table = new AttemptTable<Entry>('stream');
  for (const each of leases) table.add({ lease: each });
  return table;
}

test('what runs is started once, a later try replaces it, and an earlier one is refused', () => {
  const table = tableOf(lease(2, 20n));
  const gone: string[] = [];
  const admits = (asked: Lease): boolean =>
    table.admits(asked, (earlier, reason) => gone.push(`${earlier.lease.grantId} ${reason.code}`));
  expect(admits(lease(2, 20n))).toBe(false);
  expect(() => admits(lease(1, 10n))).toThrow(/902/);
  expect(gone).toEqual([]);
  expect(admits(lease(3, 30n))).toBe(true);
  expect(gone).toEqual(['g20 902']);
});

test('the newest try counts, in whatever order they were taken up', () => {
  const table = tableOf(lease(3, 30n), lease(2, 20n));
  expect(() => table.admits(lease(2, 20n), () => undefined)).toThrow(/902/);
  expect(table.admits(lease(3, 30n), () => undefined)).toBe(false);
});

test('an entry is found by its lease alone, until it is forgotten', () => {
  const table = tableOf(lease(1, 10n));
  expect(table.held(refOf(lease(1, 10n))).lease).toEqual(lease(1, 10n));
  expect(() => table.find(refOf(lease(1, 11n)))).toThrow(/902/);
  expect(table.find(refOf(lease(2, 20n)))).toBeUndefined();
  expect(() => table.held(refOf(lease(2, 20n)))).toThrow(
    '227 notFound: there is no stream for 7/2/0',
  );
  table.forget(['7/1/0', '9/9/9']);
  expect([...table.all]).toEqual([]);
  expect(table.admits(lease(1, 10n), () => undefined)).toBe(true);
});
