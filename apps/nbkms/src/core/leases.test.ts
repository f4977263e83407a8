import fc from 'fast-check';
import { expect, test } from 'vitest';
import { endLease, expireLeases, type Lease, TTL_MAX_MS, takeLease } from './leases.ts';

const lease = (id: string, change: Partial<Lease> = {}): Lease => ({
  ...{ id, name: '', by: 'root', startedMs: 0, endsMs: 0, generation: '1', ...change },
});

test('each call counts, and each end counts back', () => {
  fc.assert(
    fc.property(fc.array(fc.boolean()), (acts) => {
      let leases: readonly Lease[] = [];
      let count = 0;
      for (const [at, takes] of acts.entries()) {
        if (takes) leases = takeLease(leases, lease(String(at)));
        else if (count > 0) ({ leases } = endLease(leases, ''));
        else expect(() => endLease(leases, '')).toThrow(/1205/);
        count = Math.max(0, count + (takes ? 1 : -1));
        expect(leases).toHaveLength(count);
      }
    }),
  );
});

test('a named call is ended by its name alone, once', () => {
  const both = takeLease(takeLease([], lease('1', { name: 'A' })), lease('2', { name: 'B' }));
  const { leases, ended } = endLease(both, 'A');
  expect(ended.id).toBe('1');
  expect(() => endLease(leases, 'A')).toThrow(/1206/);
  expect(() => endLease(leases, '')).toThrow(/1206.*\(B\).*-all/);
  expect(() => takeLease(leases, lease('3', { name: 'B' }))).toThrow(/1209/);
  expect(leases).toHaveLength(1);
});

test('a call whose time is over ends by itself', () => {
  const leases = [lease('1', { endsMs: 10 }), lease('2', { endsMs: 20 }), lease('3')];
  const after = expireLeases(leases, 10);
  expect(after.expired.map(({ id }) => id)).toEqual(['1']);
  expect(after.leases.map(({ id }) => id)).toEqual(['2', '3']);
  expect(() => takeLease([], lease('4', { endsMs: TTL_MAX_MS + 1 }))).toThrow(/1209.*24 hours/);
});
