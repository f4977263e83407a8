import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { mayLive, ownIdentity } from './process-identity.ts';
import { isAlive, markOf, ownMark, stillLives } from './process-mark.ts';
import { parseStat, readStat } from './process-stat.ts';

const fieldsFrom3 = (state: string): string =>
  `${state} 1 2 3 4 5 6 7 8 9 10 140 27 13 14 15 16 17 18 998877 20 21`;

test('the fields are found behind any name', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 64 }), (name) => {
      const text = `42 (${name}) ${fieldsFrom3('S')}`;
      expect(parseStat(text)).toEqual({ startTicks: '998877', cpuTicks: 167 });
    }),
    { examples: [['a) b (c'], ['x) Z 1 2'], [')']] },
  );
});

test.each([
  ['a zombie', `42 (x) ${fieldsFrom3('Z')}`],
  ['a dead process', `42 (x) ${fieldsFrom3('X')}`],
  ['a line cut short', '42 (x) S 1 2'],
  ['nothing', ''],
])('%s is no live process', (_what, text) => {
  expect(parseStat(text)).toBeNull();
});

test('a child lives until it ends, reaped or not', async () => {
  // The shell keeps its child's number as a zombie for as long as it does not wait for it.
  const shell = spawn('sh', ['-c', 'sleep 600 & echo $!; exec sleep 600'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(shell.stdout, 'data')) as [Buffer];
  const pid = Number(line.toString());
  const mark = markOf(pid);
  if (mark === null) throw new Error('the child has no mark');
  expect([mark.pid, stillLives(mark), isAlive(pid)]).toEqual([pid, true, true]);
  process.kill(pid, 'SIGKILL');
  await expect.poll(() => isAlive(pid), { timeout: 30_000 }).toBe(false);
  expect([stillLives(mark), markOf(pid), readStat(pid)]).toEqual([false, null, null]);
  // Still in the table: signal 0 reaches a zombie.
  expect(process.kill(pid, 0)).toBe(true);
  shell.kill('SIGKILL');
  await once(shell, 'exit');
});

test('a process with the same number that started at another time is another', () => {
  const mark = ownMark();
  expect(stillLives(mark)).toBe(true);
  expect(stillLives({ ...mark, startTicks: `${mark.startTicks}0` })).toBe(false);
});

test('an identity is doubted only where it can be checked', () => {
  const own = ownIdentity();
  const gone = { ...own, startTicks: '1' };
  expect(mayLive(own)).toBe(true);
  expect(mayLive(gone)).toBe(false);
  expect(mayLive({ ...own, bootId: 'another' })).toBe(false);
  expect(mayLive({ ...gone, pidNamespace: 'pid:[1]' })).toBe(true);
});
