// Who waits, and for what: the broker's queue in its order, with a reason for each drive and volume, and mounts that wait
// for an operator.

import { Fragment, type ReactNode } from 'react';
import { Link } from 'wouter';
import type { Devices } from '../api.ts';
import { Ago } from '../parts/time.tsx';

const REASONS_SHOWN = 6;

export function WaitingList({ waiting, pending }: Pick<Devices, 'waiting' | 'pending'>): ReactNode {
  return (
    <section id="waiting" aria-labelledby="waiting-title">
      <h2 id="waiting-title">Who waits</h2>
      {pending.map(({ host, requestId, jobId, mediaId, drive, reason, sinceMs }) => (
        <div key={`${host} ${requestId}`} className="notice" data-kind="warning" role="status">
          <div>
            <p className="notice-title">
              <Link href={`/activity/${jobId}`}>Job {jobId}</Link> waits for an operator to bring{' '}
              {mediaId} into {drive} (<Ago atMs={sinceMs} />
              ).
            </p>
            <p>
              {reason}. When it is in the drive:{' '}
              <code>
                vmoprcmd -assignbyname {drive} {requestId}
              </code>
            </p>
          </div>
        </div>
      ))}
      {waiting.length === 0 ? (
        <p className="dim">No job waits for a drive or a volume.</p>
      ) : (
        <div className="sheet">
          <table className="plain waiting" aria-labelledby="waiting-title">
            <thead>
              <tr>
                <th scope="col">Job</th>
                <th scope="col">Policy</th>
                <th scope="col">Client</th>
                <th scope="col" className="number">
                  Priority
                </th>
                <th scope="col" className="number">
                  Waits since
                </th>
                <th scope="col">For</th>
              </tr>
            </thead>
            <tbody>
              {waiting.map((row) => (
                <tr key={row.jobId}>
                  <th scope="row">
                    <Link href={`/activity/${row.jobId}`}>{row.jobId}</Link>
                  </th>
                  <td>{row.policy}</td>
                  <td>{row.client}</td>
                  <td className="number">{row.priority}</td>
                  <td className="number">
                    <Ago atMs={row.sinceMs} />
                  </td>
                  <td className="wrap">
                    <Reasons reasons={row.reasons} />
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  );
}

function Reasons({ reasons }: { readonly reasons: readonly string[] }): ReactNode {
  if (reasons.length === 0) return <span className="dim">not looked at yet</span>;
  return (
    <ul className="reasons">
      {reasons.slice(0, REASONS_SHOWN).map((reason) => (
        <li key={reason}>
          <WithJobs text={reason} />
        </li>
      ))}
      {reasons.length > REASONS_SHOWN ? (
        <li className="dim">and {reasons.length - REASONS_SHOWN} more</li>
      ) : null}
    </ul>
  );
}

/** A sentence whose jobs are links. */
function WithJobs({ text }: { readonly text: string }): ReactNode {
  return text.split(/\b(job \d+)\b/).map((part, index) => {
    const jobId = /^job (\d+)$/.exec(part)?.[1];
    // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a sentence have no other name
    if (jobId === undefined) return <Fragment key={index}>{part}</Fragment>;
    return (
      // biome-ignore lint/suspicious/noArrayIndexKey: the parts of a sentence have no other name
      <Link key={index} href={`/activity/${jobId}`}>
        {part}
      </Link>
    );
  });
}
