// The columns of the jobs table, NetBackup's names, and which of them fit.

import { type ColumnDef, createColumnHelper, tableFeatures } from '@tanstack/react-table';
import type { ReactNode } from 'react';
import { currentRate } from '../../src/core/throughput.ts';
import type { ApiSample } from '../../src/schemas.ts';
import type { Job } from '../api.ts';
import { elapsedMs, progressOf, reasonWords } from '../job-words.ts';
import { Sparkline } from '../parts/sparkline.tsx';
import { StateMark } from '../parts/state-mark.tsx';
import {
  capital,
  countWords,
  durationWords,
  exactTime,
  rateWords,
  relativeWords,
  sizeWords,
} from '../words.ts';

export interface RowData {
  readonly job: Job;
  readonly samples: readonly ApiSample[];
  readonly nowMs: number;
}

export const features = tableFeatures({});

const helper = createColumnHelper<typeof features, RowData>();

interface Extra {
  /** As in grid-template-columns. */
  readonly width: string;
  readonly number?: boolean;
  /** Shown from this table width on (px). */
  readonly from: number;
}

const EXTRAS: Record<string, Extra> = {
  id: { width: '74px', number: true, from: 560 },
  state: { width: '136px', from: 0 },
  type: { width: '68px', from: 1240 },
  policy: { width: 'minmax(96px, 1.1fr)', from: 560 },
  schedule: { width: 'minmax(76px, .6fr)', from: 1500 },
  client: { width: 'minmax(96px, 1.1fr)', from: 0 },
  path: { width: 'minmax(100px, 1.4fr)', from: 760 },
  server: { width: 'minmax(76px, .7fr)', from: 1640 },
  why: { width: 'minmax(110px, 2.6fr)', from: 1040 },
  started: { width: '98px', number: true, from: 900 },
  elapsed: { width: '96px', number: true, from: 1120 },
  files: { width: '84px', number: true, from: 1740 },
  size: { width: '80px', number: true, from: 680 },
  progress: { width: '104px', from: 0 },
  speed: { width: '164px', number: true, from: 860 },
};

export function extraOf(columnId: string): Extra {
  return EXTRAS[columnId]!;
}

const cut = (text: string): ReactNode => (
  <span className="cut" title={text}>
    {text}
  </span>
);

const ALL: ColumnDef<typeof features, RowData>[] = helper.columns([
  helper.accessor((row) => row.job.jobId, { id: 'id', header: 'Job' }),
  helper.display({
    id: 'state',
    header: 'State',
    cell: ({ row }) => <StateMark job={row.original.job} />,
  }),
  helper.accessor((row) => capital(row.job.type), { id: 'type', header: 'Type' }),
  helper.display({
    id: 'policy',
    header: 'Policy',
    cell: ({ row }) => cut(row.original.job.policy),
  }),
  helper.display({
    id: 'schedule',
    header: 'Schedule',
    cell: ({ row }) => cut(row.original.job.schedule),
  }),
  helper.display({
    id: 'client',
    header: 'Client',
    cell: ({ row }) => cut(row.original.job.client),
  }),
  helper.display({ id: 'path', header: 'Path', cell: ({ row }) => cut(row.original.job.path) }),
  helper.display({
    id: 'server',
    header: 'Media server',
    cell: ({ row }) => cut(row.original.job.mediaServer),
  }),
  helper.display({
    id: 'why',
    header: 'Why',
    cell: ({ row }) => cut(reasonWords(row.original.job)),
  }),
  helper.display({
    id: 'started',
    header: 'Started',
    cell: ({ row }) => startedCell(row.original),
  }),
  helper.display({
    id: 'elapsed',
    header: 'Elapsed',
    cell: ({ row }) => elapsedCell(row.original),
  }),
  helper.display({
    id: 'files',
    header: 'Files',
    cell: ({ row }) => countWords(row.original.job.files),
  }),
  helper.display({
    id: 'size',
    header: 'Size',
    cell: ({ row: { original } }) =>
      original.job.bytes === 0 ? '' : sizeWords(original.job.bytes),
  }),
  helper.display({
    id: 'progress',
    header: 'Progress',
    cell: ({ row }) => <Progress job={row.original.job} />,
  }),
  helper.display({ id: 'speed', header: 'Speed', cell: ({ row }) => speedCell(row.original) }),
]);

/** The columns that a table of this width has room for. */
export function columnsFor(widthPx: number): (typeof ALL)[number][] {
  return ALL.filter((column) => extraOf(column.id!).from <= widthPx);
}

function startedCell({ job, nowMs }: RowData): ReactNode {
  const atMs = job.startedMs ?? job.submittedMs;
  if (atMs === null) return '';
  const title = `submitted ${job.submittedMs === null ? '–' : exactTime(job.submittedMs)}, started ${
    job.startedMs === null ? 'not yet' : exactTime(job.startedMs)
  }`;
  return <span title={title}>{job.startedMs === null ? '' : relativeWords(atMs, nowMs)}</span>;
}

function elapsedCell({ job, nowMs }: RowData): ReactNode {
  const elapsed = elapsedMs(job, nowMs);
  return elapsed === null ? '' : durationWords(elapsed);
}

function speedCell({ job, samples }: RowData): ReactNode {
  if (job.state !== 'active') {
    const elapsed = elapsedMs(job, 0);
    if (job.endedMs === null || elapsed === null || elapsed <= 0 || job.bytes === 0) return '';
    return <span className="dim">{rateWords((job.bytes * 1000) / elapsed)}</span>;
  }
  const rate = currentRate(samples);
  return (
    <span className="speed">
      <Sparkline samples={samples} />
      <span>{rate === null ? '' : rateWords(rate)}</span>
    </span>
  );
}

export function Progress({ job }: { readonly job: Job }): ReactNode {
  const part = progressOf(job);
  if (job.state === 'done') return null;
  if (part === null) {
    return job.state === 'active' && job.bytes > 0 ? (
      <span className="progress" title="The size is not known before the end">
        <span className="progress-track" data-unknown />
      </span>
    ) : null;
  }
  const percent = Math.floor(part * 100);
  if (job.state === 'queued') return null;
  return (
    <span
      className="progress"
      role="progressbar"
      aria-valuenow={percent}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-label={`Progress of job ${job.jobId}`}
    >
      <span className="progress-track" data-done={part === 1 || undefined}>
        <span className="progress-fill" style={{ width: `${percent}%` }} />
      </span>
      <span className="progress-words">{percent} %</span>
    </span>
  );
}
