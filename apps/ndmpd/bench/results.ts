// What the rounds say: seconds and rates of everybody, and the speed of ndmpd in percent of the others'. Ratios tell;
// machines are shared and noisy.

import type { Figure } from '../../../tools/bench/figures.ts';
import { RAW, type Rounds, TAR } from './rounds.ts';

const NDMJOB = 'NDMJOB';
const NDMPD = 'ndmpd';
const AT_LEAST_AS_FAST = '≥ 100 %';

export interface Sizes {
  readonly largeBytes: number;
  readonly files: number;
}

export function figuresOf(rounds: Rounds, { largeBytes, files }: Sizes): Figure[] {
  const large = `one file of ${(largeBytes / 2 ** 30).toFixed(1)} GiB`;
  const small = `${files} files`;
  const toRate = (seconds: number): [number, string] => [largeBytes / seconds / 1e9, 'GB/s'];
  const toSeconds = (seconds: number): [number, string] => [seconds, 's'];
  const table: [string, string, readonly Mark[], typeof toRate][] = [
    [`send ${large}`, 'backup large', [{ who: RAW, goal: '≥ 80 %' }, PEER], toRate],
    [`send ${small}`, 'backup small', [{ who: TAR, goal: '' }, PEER], toSeconds],
    [`send ${small}, HIST=f`, 'backup small HIST=f', [PEER], toSeconds],
    [`send ${small}, HIST=d`, 'backup small HIST=d', [PEER], toSeconds],
    [`recover ${large}`, 'recovery large', [{ who: TAR, goal: '' }, PEER], toRate],
    [`recover ${small}`, 'recovery small', [{ who: TAR, goal: '' }, PEER], toSeconds],
  ];
  const rows = table.flatMap(([title, what, marks, show]) =>
    compare(rounds, { title, what, marks, show }),
  );
  return [...rows, ...historyCost(rounds), ...waits(rounds), ...memory(rounds)];
}

/** Whom ndmpd is measured against. */
interface Mark {
  readonly who: string;
  readonly goal: string;
}

const PEER: Mark = { who: NDMJOB, goal: AT_LEAST_AS_FAST };

interface Row {
  readonly title: string;
  readonly what: string;
  readonly marks: readonly Mark[];
  show(seconds: number): [number, string];
}

function compare(rounds: Rounds, { title, what, marks, show }: Row): Figure[] {
  const own = secondsOf(rounds, NDMPD, what);
  if (own === undefined) return [];
  const figure = (who: string, seconds: number): Figure => {
    const [value, unit] = show(seconds);
    return { name: `${who}: ${title}`, value, unit, goal: '' };
  };
  const figures = [figure(NDMPD, own), ...cpu(rounds, what)];
  for (const { who, goal } of marks) {
    const theirs = secondsOf(rounds, who, what);
    if (theirs === undefined) continue;
    figures.push(figure(who, theirs), {
      name: `  ndmpd / ${who}`,
      value: (theirs / own) * 100,
      unit: '%',
      goal,
    });
  }
  return figures;
}

/** Disturbed less by what else a machine does; the start of the next data process is in it. */
function cpu(rounds: Rounds, what: string): Figure[] {
  const value = rounds.cpuSeconds(NDMPD, what);
  if (value === undefined) return [];
  return [{ name: '  processor time of ndmpd', value, unit: 's', goal: '' }];
}

/** NDMJOB sleeps a second at the end of each operation, which says nothing of its speed: that is taken off. */
function secondsOf(rounds: Rounds, who: string, what: string): number | undefined {
  const seconds = rounds.seconds(who, what);
  return seconds === undefined ? undefined : seconds - fixedWait(rounds, who, what);
}

function fixedWait(rounds: Rounds, who: string, what: string): number {
  if (who !== NDMJOB) return 0;
  return rounds.seconds(who, `${what.split(' ', 1)[0]} empty`) ?? 0;
}

function historyCost(rounds: Rounds): Figure[] {
  const without = rounds.seconds(NDMPD, 'backup small');
  return ['f', 'd'].flatMap((form) => {
    const seconds = rounds.seconds(NDMPD, `backup small HIST=${form}`);
    if (seconds === undefined || without === undefined) return [];
    const value = (seconds / without - 1) * 100;
    return [{ name: `ndmpd: what HIST=${form} adds`, value, unit: '%', goal: '≤ 15 %' }];
  });
}

function waits(rounds: Rounds): Figure[] {
  return ['backup', 'recovery'].flatMap((what) => {
    const value = fixedWait(rounds, NDMJOB, what);
    if (value === 0) return [];
    return [{ name: `NDMJOB: ${what} of nothing, taken off above`, value, unit: 's', goal: '' }];
  });
}

function memory(rounds: Rounds): Figure[] {
  return rounds.servers.flatMap(({ name, peakMb }) => {
    const value = peakMb();
    if (value === undefined) return [];
    return [{ name: `${name}: memory of its processes, most`, value, unit: 'MB', goal: '' }];
  });
}
