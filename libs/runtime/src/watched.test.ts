import { expect, test } from 'vitest';
import { Watched } from './watched.ts';

test('a watcher gets what changed after the version it knows', async () => {
  const watched = new Watched('a', 1n);
  expect(await watched.after(0n, 10_000)).toEqual({ version: 1n, value: 'a' });
  const next = watched.after(1n, 10_000);
  watched.set('b');
  expect(await next).toEqual({ version: 2n, value: 'b' });
});

test('a watcher that waited for nothing gets the present state', async () => {
  const watched = new Watched('a', 1n);
  expect(await watched.after(1n, 1)).toEqual({ version: 1n, value: 'a' });
  const stop = new AbortController();
  const waiting = watched.after(1n, 60_000, stop.signal);
  stop.abort();
  expect((await waiting).value).toBe('a');
});

test('a restarted daemon never falls behind the versions it gave out', () => {
  const first = new Watched('a');
  for (let i = 0; i < 100; i += 1) first.set('b');
  expect(new Watched('c').now.version + 1_000_000n).toBeGreaterThan(first.now.version);
});
