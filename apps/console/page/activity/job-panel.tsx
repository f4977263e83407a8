// One job: how it stands, where in the process flow, how fast, its tries and its detail lines, and its end on
// request.

import { Button, CloseButton, Loader } from '@mantine/core';
import { useQuery, useQueryClient } from '@tanstack/react-query';
import { lazy, type ReactNode, Suspense, useEffect, useState } from 'react';
import { api, type Job, type JobDetail, type Try, unwrap } from '../api.ts';
import { cancellable, elapsedMs } from '../job-words.ts';
import { useNow } from '../live/clock.ts';
import { useLive } from '../live/live.tsx';
import { isNewer, parsePosition } from '../live/stream.ts';
import { ProblemBox } from '../parts/notices.tsx';
import { Mark, StateMark } from '../parts/state-mark.tsx';
import { Ago } from '../parts/time.tsx';
import {
  capital,
  countWords,
  durationWords,
  exactTime,
  rateWords,
  shortTime,
  sizeWords,
} from '../words.ts';
import { CancelDialog } from './cancel-dialog.tsx';
import { Progress } from './columns.tsx';
import { DetailLines } from './detail-lines.tsx';
import { ProcessFlow } from './process-flow.tsx';

const SpeedChart = lazy(() => import('./speed-chart.tsx'));

export interface JobPanelProps {
  readonly jobId: number;
  readonly onClose: () => void;
}

export function JobPanel({ jobId, onClose }: JobPanelProps): ReactNode {
  const queries = useQueryClient();
  const query = useQuery({
    queryKey: ['job', jobId],
    queryFn: async () => {
      const fresh = await unwrap(api.GET('/api/jobs/{jobId}', { params: { path: { jobId } } }));
      return newerOf(queries.getQueryData<JobDetail>(['job', jobId]), fresh);
    },
  });
  const { data } = query;
  const { series } = useLive();
  useEffect(() => {
    if (data !== undefined) series.adopt(jobId, data.samples);
  }, [data, jobId, series]);
  return (
    <aside className="panel" aria-label={`Job ${jobId}`}>
      {data === undefined ? (
        <header className="panel-head">
          <h2>Job {jobId}</h2>
          <CloseButton aria-label="Close the job" onClick={onClose} />
        </header>
      ) : (
        <PanelHead detail={data} onClose={onClose} />
      )}
      <div className="panel-body">
        {query.error === null ? null : (
          <ProblemBox problem={query.error} onRetry={() => void query.refetch()} />
        )}
        {query.isPending ? <Loader size="sm" aria-label="Loading the job" /> : null}
        {data === undefined ? null : <PanelBody detail={data} />}
      </div>
    </aside>
  );
}

/** The stream may have told more than an answer that was under way. */
function newerOf(streamed: JobDetail | undefined, fresh: JobDetail): JobDetail {
  if (streamed === undefined) return fresh;
  const ahead = isNewer(parsePosition(streamed.cursor), parsePosition(fresh.cursor));
  if (!ahead) return fresh;
  const known = fresh.lines.at(-1)?.number ?? 0;
  const lines = [...fresh.lines, ...streamed.lines.filter(({ number }) => number > known)];
  return { ...fresh, job: streamed.job, cursor: streamed.cursor, lines };
}

function PanelHead({
  detail: { job, cancelCommand },
  onClose,
}: {
  readonly detail: JobDetail;
  readonly onClose: () => void;
}): ReactNode {
  const [asking, setAsking] = useState(false);
  return (
    <header className="panel-head">
      <h2>
        {capital(job.type)} {job.jobId}
      </h2>
      <StateMark job={job} />
      <span className="spring" />
      {cancellable(job) ? (
        <Button size="compact-sm" variant="default" onClick={() => setAsking(true)}>
          Cancel…
        </Button>
      ) : null}
      <CloseButton aria-label="Close the job" onClick={onClose} />
      <CancelDialog
        job={job}
        command={cancelCommand}
        opened={asking && cancellable(job)}
        onClose={() => setAsking(false)}
      />
    </header>
  );
}

function PanelBody({ detail }: { readonly detail: JobDetail }): ReactNode {
  const { job, tries, lines } = detail;
  return (
    <>
      <Verdict job={job} />
      {/* A cleanup takes no drive and moves no data. */}
      {job.type === 'cleanup' ? null : <ProcessFlow job={job} />}
      <Facts job={job} />
      <Speed job={job} />
      <Tries tries={tries} />
      <DetailLines lines={lines} />
    </>
  );
}

/** What is wrong or awaited, as a sentence; nothing when all is well. */
function Verdict({ job }: { readonly job: Job }): ReactNode {
  const nowMs = useNow();
  if (job.outcome === 'failed' || job.outcome === 'partial') {
    return (
      <div className="notice" data-kind={job.outcome === 'failed' ? 'problem' : 'warning'}>
        <p className="notice-title">
          {job.outcome === 'failed' ? 'Failed' : 'Done in part'} with status {job.status}:{' '}
          {sentence(job.statusText)}
        </p>
      </div>
    );
  }
  if (job.outcome === 'requeued') {
    return (
      <div className="notice" data-kind="warning">
        <p className="notice-title">
          Try {job.try} ended with status {job.status ?? '–'}: {sentence(job.statusText)}
        </p>
        <p>
          {job.retryAtMs === null ? (
            'It is tried again.'
          ) : (
            <>
              It is tried again <Ago atMs={job.retryAtMs} />, at {exactTime(job.retryAtMs)}.
            </>
          )}
        </p>
      </div>
    );
  }
  if (job.reason !== '' && job.state !== 'done') {
    const since = job.submittedMs === null ? '' : ` for ${durationWords(nowMs - job.submittedMs)}`;
    return (
      <div className="notice" data-kind="info">
        <p className="notice-title">
          {job.outcome === 'queued' ? `Waits${since}: ` : ''}
          {job.reason}
        </p>
      </div>
    );
  }
  return null;
}

/** A status text as the end of a sentence; daemons end theirs with a full stop or not. */
function sentence(text: string): string {
  return `${text.trim().replace(/\.$/, '') || 'no text'}.`;
}

function Facts({ job }: { readonly job: Job }): ReactNode {
  const nowMs = useNow();
  const elapsed = elapsedMs(job, nowMs);
  const facts: [string, ReactNode][] = [
    ['Client', job.destClient === '' ? job.client : `${job.client} → ${job.destClient}`],
    ['Policy', policyWords(job)],
    ['Path', job.path],
    ['Storage', [job.storageUnit, job.mediaId, job.drive].filter(Boolean).join(' · ')],
    ['Media server', job.mediaServer],
    ['Submitted', when(job.submittedMs, nowMs)],
    ['Started', when(job.startedMs, nowMs)],
    ['Ended', when(job.endedMs, nowMs)],
    ['Elapsed', elapsed === null ? '' : durationWords(elapsed)],
    ['Size', job.bytes === 0 ? '' : sizeWords(job.bytes)],
    ['Files', job.files === 0 ? '' : countWords(job.files)],
    ['Image', job.backupId],
    ['Try', job.try > 1 ? String(job.try) : ''],
    ['Step', job.steps > 1 ? `image ${job.step} of ${job.steps}` : ''],
    ['Owner', job.owner],
  ];
  return (
    <section aria-label="Facts">
      <dl className="facts">
        {facts
          .filter(([, value]) => value !== '' && value !== null)
          .map(([name, value]) => (
            <div key={name} data-wide={WIDE_FACTS.has(name) || undefined}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ))}
      </dl>
    </section>
  );
}

/** Long by nature: these get a line of their own. */
const WIDE_FACTS = new Set(['Path', 'Storage', 'Image']);

function policyWords({ policy, schedule, scheduleType }: Job): string {
  return [policy, schedule === '' ? '' : `${schedule} (${scheduleType})`]
    .filter(Boolean)
    .join(' · ');
}

function when(atMs: number | null, nowMs: number): ReactNode {
  if (atMs === null) return null;
  return (
    <>
      {shortTime(atMs, nowMs)},{' '}
      <span className="dim">
        <Ago atMs={atMs} />
      </span>
    </>
  );
}

function Speed({ job }: { readonly job: Job }): ReactNode {
  const { series } = useLive();
  useNow();
  const samples = series.of(job.jobId);
  if (job.state === 'queued' || job.bytes === 0) return null;
  const elapsed = elapsedMs(job, job.endedMs ?? samples.at(-1)?.atMs ?? 0);
  return (
    <section aria-labelledby="speed">
      <h3 id="speed">Speed</h3>
      <div className="speed-line">
        <Progress job={job} />
        <span>
          {sizeWords(job.bytes)}
          {job.bytesExpected > 0 && job.state !== 'done'
            ? ` of about ${sizeWords(job.bytesExpected)}`
            : ''}
        </span>
        {elapsed === null || elapsed <= 0 ? null : (
          <span className="dim">{rateWords((job.bytes * 1000) / elapsed)} on average</span>
        )}
      </div>
      {samples.length < 3 ? (
        job.state === 'active' && (
          <p className="dim">The line appears as soon as a few seconds have been measured.</p>
        )
      ) : (
        <Suspense fallback={<div className="speed-chart" />}>
          <SpeedChart samples={[...samples]} />
        </Suspense>
      )}
    </section>
  );
}

function Tries({ tries }: { readonly tries: readonly Try[] }): ReactNode {
  if (tries.length === 0) return null;
  return (
    <section aria-labelledby="tries">
      <h3 id="tries">Tries</h3>
      <table className="plain">
        <thead>
          <tr>
            <th scope="col">Try</th>
            <th scope="col">How it ended</th>
            <th scope="col">Where</th>
            <th scope="col" className="number">
              Took
            </th>
            <th scope="col" className="number">
              Size
            </th>
          </tr>
        </thead>
        <tbody>
          {tries.map((row) => (
            <tr key={row.try}>
              <th scope="row">{row.try}</th>
              <td className="wrap">
                <TryMark row={row} />
              </td>
              <td className="wrap">
                {[row.mediaServer, row.mediaId, row.drive].filter(Boolean).join(' · ')}
              </td>
              <td className="number">
                {row.startedMs === null || row.endedMs === null
                  ? ''
                  : durationWords(row.endedMs - row.startedMs)}
              </td>
              <td className="number">{row.bytes === 0 ? '' : sizeWords(row.bytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}

function TryMark({ row }: { readonly row: Try }): ReactNode {
  if (row.endedMs === null) return <Mark look="preparing" words="Runs" />;
  if (row.status === 0) return <Mark look="successful" words="Good, 0" />;
  const look = row.status === 1 ? 'partial' : 'failed';
  return <Mark look={look} words={`${row.status}: ${row.statusText}`} />;
}
