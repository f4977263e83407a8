import { expect, test } from 'vitest';
import { boundedGate } from './bounded-gate.ts';

test('no more than so many write at once, all in the end, and a failure gives its place back', async () => {
  let now = 0;
  let most = 0;
  const order: number[] = [];
  const gate = boundedGate<object>(
    {
      leads: () => true,
      write: async (fn) => {
        most = Math.max(most, ++now);
        await Promise.resolve();
        now -= 1;
        return await fn({} as never);
      },
    },
    2,
  );
  const work = Array.from({ length: 9 }, (_, i) =>
    gate.write(async () => {
      order.push(i);
      if (i % 3 === 0) throw new Error('planted');
    }),
  );
  const results = await Promise.allSettled(work);
  expect(most).toBe(2);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8]);
  expect(results.filter((result) => result.status === 'rejected')).toHaveLength(3);
});
