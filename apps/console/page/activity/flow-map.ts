// The process flow of a job as data: who talks to whom in which step, where each stands on the drawing, and what a
// step means in words. Numbers are those of the process flow in docs/architecture.md.

import type { Job } from '../api.ts';

export interface FlowNode {
  readonly id: string;
  readonly label: string;
  readonly x: number;
  readonly y: number;
  /** What it is for this job: a host, a drive, a volume. */
  readonly note: string;
  readonly shape: 'daemon' | 'filer' | 'tape';
}

export interface FlowEdge {
  readonly step: number;
  readonly from: string;
  readonly to: string;
  /** SVG path, from `from` to `to`. */
  readonly path: string;
  /** Where the step's number stands; left out when another edge of the step shows it. */
  readonly badge?: readonly [number, number];
  /** Backup data itself: drawn thick. */
  readonly data?: true;
}

export type StepState = 'done' | 'current' | 'failed' | 'ahead';

export const NODE_WIDTH = 84;
export const NODE_HEIGHT = 32;
export const VIEW = { width: 660, height: 398 } as const;

/** Columns and rows of the drawing: primary server above, media server in the middle, devices below. */
const X = [58, 167, 276, 385, 494, 603] as const;
const Y = { asks: 46, keeps: 120, starts: 196, runs: 256, moves: 340 } as const;

const COMMANDS = {
  ...{
    backup: 'bpbackup',
    restore: 'bprestore',
    label: 'bplabel',
    erase: 'bplabel',
    cleanup: 'bpimage',
  },
} as const satisfies Record<Job['type'], string>;

export function nodesOf(job: Job): FlowNode[] {
  const at = (id: string, column: number, y: number, note = ''): FlowNode => ({
    ...{ id, label: id, x: X[column]!, y, note },
    shape: 'daemon',
  });
  const filer = (job.type === 'restore' && job.destClient) || job.client;
  const first = COMMANDS[job.type];
  return [
    { ...at('request', 0, Y.asks), label: first },
    at('bprd', 1, Y.asks),
    at('nbpem', 2, Y.asks),
    at('nbjm', 3, Y.asks),
    at('nbrb', 4, Y.asks),
    at('nbemm', 5, Y.asks),
    at('bpjobd', 2, Y.keeps),
    at('bpdbm', 4, Y.keeps),
    at('bpcd', 3, Y.starts),
    at('ndmpagent', 1, Y.runs),
    at('bpbrm', 3, Y.runs),
    at('ltid', 5, Y.runs),
    { ...at('filer', 1, Y.moves, filer), shape: 'filer' },
    at('bptm', 3, Y.moves, job.storageUnit),
    { ...at('drive', 5, Y.moves, tapeNote(job)), shape: 'tape' },
  ];
}

function tapeNote({ drive, mediaId }: Job): string {
  return [mediaId, drive].filter((part) => part !== '').join(' in ');
}

const LEFT = (column: number): number => X[column]! - NODE_WIDTH / 2;
const RIGHT = (column: number): number => X[column]! + NODE_WIDTH / 2;
const HALF = NODE_HEIGHT / 2;

/** From the right edge of a column to the left edge of the next, or back. */
const across = (from: number, to: number, y: number): string =>
  from < to ? `M${RIGHT(from)} ${y}H${LEFT(to)}` : `M${LEFT(from)} ${y}H${RIGHT(to)}`;

const down = (x: number, from: number, to: number): string => `M${x} ${from + HALF}V${to - HALF}`;

const GAP = (RIGHT(0) + LEFT(1)) / 2 - X[0]!;
const between = (column: number, y: number): [number, number] => [X[column]! + GAP, y];

export function edgesOf(job: Job): FlowEdge[] {
  return [...requestEdges(job), ...grantEdges(), ...startEdges(), ...dataEdges(job), ...endEdges()];
}

function requestEdges(job: Job): FlowEdge[] {
  const asked: FlowEdge = {
    ...{ step: 1, from: 'request', to: 'bprd' },
    path: across(0, 1, Y.asks),
    badge: between(0, Y.asks - 16),
  };
  if (job.type === 'restore') {
    const under = Y.asks + HALF + 14;
    return [
      asked,
      {
        ...{ step: 2, from: 'bprd', to: 'nbjm' },
        path: `M${X[1]} ${Y.asks + HALF}V${under}H${X[3] - 26}V${Y.asks + HALF}`,
        badge: [X[1] + 26, under],
      },
    ];
  }
  return [
    asked,
    {
      ...{ step: 2, from: 'bprd', to: 'nbpem' },
      path: across(1, 2, Y.asks),
      badge: between(1, Y.asks - 16),
    },
    { step: 2, from: 'nbpem', to: 'nbjm', path: across(2, 3, Y.asks) },
  ];
}

function grantEdges(): FlowEdge[] {
  return [
    {
      ...{ step: 3, from: 'nbjm', to: 'nbrb' },
      path: across(3, 4, Y.asks - 6),
      badge: between(3, Y.asks - 20),
    },
    { step: 3, from: 'nbrb', to: 'nbemm', path: across(4, 5, Y.asks - 6) },
    {
      ...{ step: 4, from: 'nbemm', to: 'nbrb' },
      path: across(5, 4, Y.asks + 6),
      badge: between(4, Y.asks + 20),
    },
    { step: 4, from: 'nbrb', to: 'nbjm', path: across(4, 3, Y.asks + 6) },
  ];
}

function startEdges(): FlowEdge[] {
  return [
    {
      ...{ step: 5, from: 'nbjm', to: 'bpcd' },
      path: down(X[3], Y.asks, Y.starts),
      badge: [X[3], Y.keeps],
    },
    { step: 5, from: 'bpcd', to: 'bpbrm', path: down(X[3], Y.starts, Y.runs) },
    {
      ...{ step: 6, from: 'bpbrm', to: 'bptm' },
      path: down(X[3], Y.runs, Y.moves),
      badge: [X[3], (Y.runs + Y.moves) / 2],
    },
    {
      ...{ step: 6, from: 'bptm', to: 'ltid' },
      path: `M${X[3] + 26} ${Y.moves - HALF}V${Y.moves - HALF - 20}H${X[4]}V${Y.runs}H${LEFT(5)}`,
    },
    { step: 7, from: 'bpbrm', to: 'ndmpagent', path: across(3, 1, Y.runs) },
    {
      ...{ step: 7, from: 'ndmpagent', to: 'filer' },
      path: down(X[1], Y.runs, Y.moves),
      badge: [X[1], (Y.runs + Y.moves) / 2],
    },
    {
      ...{ step: 7, from: 'ltid', to: 'drive' },
      path: down(X[5], Y.runs, Y.moves),
      badge: [X[5], (Y.runs + Y.moves) / 2],
    },
  ];
}

function dataEdges(job: Job): FlowEdge[] {
  const back = job.type === 'restore';
  const path = (from: number, to: number): string =>
    back ? across(to, from, Y.moves) : across(from, to, Y.moves);
  const ends = (from: string, to: string): { from: string; to: string } =>
    back ? { from: to, to: from } : { from, to };
  return [
    { step: 8, ...ends('filer', 'bptm'), path: path(1, 3), badge: [X[2], Y.moves], data: true },
    { step: 8, ...ends('bptm', 'drive'), path: path(3, 5), data: true },
  ];
}

function endEdges(): FlowEdge[] {
  const over = (Y.starts + Y.runs) / 2;
  return [
    {
      ...{ step: 9, from: 'bpbrm', to: 'bpjobd' },
      path: `M${X[3] - 28} ${Y.runs - HALF}V${over}H${X[2]}V${Y.keeps + HALF}`,
      badge: [X[2], Y.starts - 22],
    },
    {
      ...{ step: 9, from: 'bpbrm', to: 'bpdbm' },
      path: `M${X[3] + 28} ${Y.runs - HALF}V${over}H${X[4]}V${Y.keeps + HALF}`,
      badge: [X[4], Y.starts - 22],
    },
    {
      ...{ step: 10, from: 'nbjm', to: 'bpjobd' },
      path: `M${X[3] - 14} ${Y.asks + HALF}V${Y.keeps}H${RIGHT(2)}`,
    },
    {
      ...{ step: 10, from: 'nbjm', to: 'bpdbm' },
      path: `M${X[3] + 14} ${Y.asks + HALF}V${Y.keeps}H${LEFT(4)}`,
      badge: [X[3] + 34, Y.keeps],
    },
  ];
}

const LAST_STEP = 10;

/**
 * The step a job is in. One that failed has gone through its end as well, so its row says 10: where it stopped is
 * then read from what it had got so far.
 */
export function stepOf(job: Job): number {
  if (job.outcome !== 'failed' || job.flowStep < LAST_STEP - 1) return job.flowStep;
  if (job.bytes > 0) return 8;
  if (job.mediaId !== '') return 6;
  return job.startedMs === null ? 3 : 5;
}

/** A good job went through all steps. */
export function stateOfStep(job: Job, step: number): StepState {
  if (job.outcome === 'successful' || job.outcome === 'partial') return 'done';
  const current = stepOf(job);
  if (step < current) return 'done';
  if (step > current) return 'ahead';
  return job.outcome === 'failed' ? 'failed' : 'current';
}

/** The step in words, with the names of this job: also what a screen reader says of the drawing. */
export function stepWords(job: Job): string {
  const filer = (job.type === 'restore' && job.destClient) || job.client || 'the filer';
  const volume = job.mediaId || 'the volume';
  const drive = job.drive || 'a drive';
  const server = job.mediaServer || 'the media server';
  const restore = job.type === 'restore';
  const steps: Record<number, string> = {
    1: restore ? 'bprestore asks bprd' : 'bpbackup, or a schedule that is due, asks for the backup',
    2: restore
      ? 'bprd finds the images and nbjm makes the job'
      : 'nbpem checks the policy and nbjm makes the job',
    3: 'nbjm asks nbrb for a drive and a volume; nbemm names what fits',
    4: `nbrb grants ${volume} in ${drive}`,
    5: `nbjm starts bpbrm on ${server}, through bpcd`,
    6: `bptm asks ltid to mount ${volume} in ${drive}`,
    7: `ltid moves the tape, ndmpagent logs in to ${filer}`,
    8: restore
      ? `data flows: bptm reads ${volume} and sends it to ${filer}`
      : `data flows: ${filer} sends, bptm writes ${volume}`,
    9: 'bpbrm tells bpjobd and bpdbm how it went and what was written',
    10: restore
      ? 'nbjm ends the job and gives the drive back'
      : 'nbjm has the image validated and gives the drive back',
  };
  if (job.outcome === 'successful') return 'All ten steps are done.';
  if (job.outcome === 'partial') return 'All ten steps are done, some files are missing.';
  const current = stepOf(job);
  const words = steps[current];
  if (words === undefined) return '';
  if (job.outcome === 'failed') return `Stopped about step ${current} of 10: ${words}.`;
  return `Step ${current} of 10: ${words}.`;
}
