import fc from 'fast-check';
import { expect, test } from 'vitest';
import { OUTCOME_NAMES } from './outcomes.ts';
import { filterOf, hrefOf, isFiltered, paramsOf, type View, viewOf } from './view.ts';

const view = fc.record({
  search: fc.string().map((text) => text.trim()),
  outcomes: fc.subarray([...OUTCOME_NAMES]),
  since: fc.constantFrom('all', '24h', '7d', '30d'),
}) as fc.Arbitrary<View>;

test('a view survives its address', () => {
  fc.assert(
    fc.property(view, (each) => {
      expect(viewOf(new URLSearchParams(paramsOf(each).toString()))).toEqual(each);
      const href = new URL(hrefOf(each, 7), 'http://x');
      expect(href.pathname).toBe('/activity/7');
      expect(viewOf(href.searchParams)).toEqual(each);
    }),
  );
});

test('nonsense in an address is no view', () => {
  const odd = viewOf(new URLSearchParams('state=green,failed&since=ever'));
  expect(odd).toEqual({ search: '', outcomes: ['failed'], since: 'all' });
  expect(isFiltered(viewOf(new URLSearchParams()))).toBe(false);
});

test('the search becomes a filter', () => {
  const filter = filterOf({ search: 'policy:a b', outcomes: [], since: '24h' }, 90_000_061_234);
  expect(filter).toMatchObject({ policy: 'a', text: 'b', sinceMs: 90_000_060_000 - 86_400_000 });
});
