import { codec } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import type { ApiJob } from '../schemas.ts';
import { matchesFilter, parseSearch } from './job-filter.ts';
import { toApiJob } from './job-form.ts';

const job = (fields: Partial<ApiJob> = {}): ApiJob => ({
  ...toApiJob(codec('JobRow').decode(codec('JobRow').encode({ jobId: 7n }))),
  ...{ policy: 'nightly', client: 'nas1', path: '/vol/Home', submittedMs: 1_000 },
  ...fields,
});

test.each([
  ['no rule', {}, true],
  ['its state', { outcomes: ['queued', 'failed'] as const }, true],
  ['another state', { outcomes: ['failed'] as const }, false],
  ['no state chosen', { outcomes: [] }, true],
  ['its policy', { policy: 'nightly' }, true],
  ['part of its policy', { policy: 'night' }, false],
  ['another client', { client: 'nas2' }, false],
  ['another type', { type: 'restore' as const }, false],
  ['text in any case', { text: 'vol/home' }, true],
  ['text that is its id', { text: '7' }, true],
  ['text that is nowhere', { text: 'elsewhere' }, false],
])('%s', (_name, filter, shown) => {
  expect(matchesFilter(job(), filter)).toBe(shown);
});

test('a job that still runs is shown however old it is', () => {
  expect(matchesFilter(job({ endedMs: null }), { sinceMs: 5_000 })).toBe(true);
  expect(matchesFilter(job({ endedMs: 2_000 }), { sinceMs: 5_000 })).toBe(false);
  expect(matchesFilter(job({ endedMs: 9_000, submittedMs: 6_000 }), { sinceMs: 5_000 })).toBe(true);
});

test('a search is read into its parts', () => {
  expect(parseSearch('policy:nightly status:84 type:restore  home dir')).toEqual({
    ...{ policy: 'nightly', status: 84, type: 'restore', text: 'home dir' },
  });
  expect(parseSearch('status:soon colour:red')).toEqual({ text: 'status:soon colour:red' });
  expect(parseSearch('  ')).toEqual({});
});
