import { StatusError } from '@tapestry/status';
import { expect, test } from 'vitest';
import { untilAnswered } from './until-answered.ts';

const { signal } = new AbortController();

test('a side that is away is asked again, its answer ends the asking', async () => {
  let calls = 0;
  const failures: number[] = [];
  const answer = await untilAnswered(
    async () => {
      calls += 1;
      if (calls < 3) throw new StatusError('cannotConnect', 'away');
      return 'done';
    },
    { signal, firstPauseMs: 1, onFailure: (_error, count) => failures.push(count) },
  );
  expect([answer, calls, failures]).toEqual(['done', 3, [1, 2]]);
});

test('a refusal is an answer', async () => {
  const refused = untilAnswered(() => Promise.reject(new StatusError('staleGrant', 'no')), {
    signal,
  });
  await expect(refused).rejects.toThrow(/902/);
});

test('a caller that stops is not kept', async () => {
  const stop = new AbortController();
  const asking = untilAnswered(() => Promise.reject(new StatusError('cannotConnect', 'away')), {
    signal: stop.signal,
  });
  stop.abort(new Error('stopped'));
  await expect(asking).rejects.toThrow('stopped');
});
