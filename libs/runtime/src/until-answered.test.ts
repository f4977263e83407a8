import { StatusError, type StatusName } from '@tapestry/status';
import { expect, test } from 'vitest';
import { untilAnswered, wasAnsweredBy } from './until-answered.ts';

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

test('a failure that a service passes on is its answer, silence is none', () => {
  const isAnswer = wasAnsweredBy('ndmpagent');
  const error = (status: StatusName, context: Record<string, string> = {}): StatusError =>
    new StatusError(status, 'x', context);
  expect(isAnswer(error('connectTimedOut'))).toBe(true);
  expect(isAnswer(error('connectTimedOut', { subject: 'tapestry.nbemm.any.List.ndmpagent' }))).toBe(
    true,
  );
  const own = { subject: 'tapestry.ndmpagent.media1.TapeCall.bptm' };
  expect(isAnswer(error('connectTimedOut', own))).toBe(false);
  expect(isAnswer(error('cannotConnect', { service: 'ndmpagent on media1' }))).toBe(false);
  expect(isAnswer(error('accessNotAllowed', own))).toBe(true);
});
