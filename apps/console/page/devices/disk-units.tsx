// Disk storage units: how full each is, beside the mark above which no backup begins.

import type { ReactNode } from 'react';
import { Link } from 'wouter';
import type { DiskUnit } from '../api.ts';
import { Mark } from '../parts/state-mark.tsx';
import { Ago } from '../parts/time.tsx';
import { sizeWords } from '../words.ts';

export function DiskUnits({ disks }: { readonly disks: readonly DiskUnit[] }): ReactNode {
  if (disks.length === 0) return null;
  return (
    <section aria-labelledby="disks">
      <h2 id="disks">Disk storage units</h2>
      <div className="disk-cards">
        {disks.map((disk) => (
          <Disk key={disk.label} disk={disk} />
        ))}
      </div>
    </section>
  );
}

function Disk({ disk }: { readonly disk: DiskUnit }): ReactNode {
  const { label, mediaServer, path, capacityBytes, freeBytes, toldMs, jobIds } = disk;
  const mark = disk.highWaterPercent;
  const used =
    capacityBytes === null || freeBytes === null || capacityBytes === 0
      ? null
      : Math.floor(((capacityBytes - freeBytes) / capacityBytes) * 100);
  const full = used !== null && used >= mark;
  return (
    <article className="disk-card sheet" data-full={full || undefined} aria-label={label}>
      <header>
        <h3>{label}</h3>
        {used === null ? (
          <Mark look="unknown" words="Not told yet" />
        ) : (
          <Mark
            look={full ? 'failed' : 'successful'}
            words={full ? 'Takes no backup' : 'Has room'}
          />
        )}
      </header>
      <p className="dim cut" title={path}>
        {mediaServer}:{path}
      </p>
      <Gauge used={used} high={mark} low={disk.lowWaterPercent} />
      <p>
        {used === null || freeBytes === null
          ? `${mediaServer} tells every minute while its bptm runs.`
          : `${used} % full, ${sizeWords(freeBytes)} free of ${sizeWords(capacityBytes!)}`}
        {used === null ? null : (
          <span className="dim">
            {' '}
            · <Ago atMs={toldMs} />
          </span>
        )}
      </p>
      <p className="dim">
        No backup begins from {mark} % on
        {disk.lowWaterPercent > 0 ? `; room is made down to ${disk.lowWaterPercent} %` : ''}.
      </p>
      {jobIds.length === 0 ? null : (
        <p>
          Used by{' '}
          {jobIds.map((jobId, index) => (
            <span key={jobId}>
              {index === 0 ? '' : ', '}
              <Link href={`/activity/${jobId}`}>job {jobId}</Link>
            </span>
          ))}
        </p>
      )}
    </article>
  );
}

interface GaugeProps {
  readonly used: number | null;
  readonly high: number;
  readonly low: number;
}

function Gauge({ used, high, low }: GaugeProps): ReactNode {
  const words = used === null ? 'Not known' : `${used} % full, high-water mark ${high} %`;
  return (
    <svg
      className="gauge"
      viewBox="0 0 100 14"
      preserveAspectRatio="none"
      role="img"
      aria-label={words}
    >
      <rect className="gauge-track" x="0" y="4" width="100" height="7" rx="1" />
      <rect className="gauge-fill" x="0" y="4" width={used ?? 0} height="7" rx="1" />
      {low > 0 ? <line className="gauge-low" x1={low} x2={low} y1="4" y2="11" /> : null}
      <line className="gauge-high" x1={high} x2={high} y1="1" y2="14" />
    </svg>
  );
}
