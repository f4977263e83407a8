// What went wrong, and what is not there: a sentence each, with the next step.

import { Button } from '@mantine/core';
import type { ReactNode } from 'react';
import { Problem } from '../api.ts';
import { capital } from '../words.ts';
import { Shape } from './state-mark.tsx';

export function ProblemBox({
  problem,
  onRetry,
}: {
  readonly problem: Error;
  readonly onRetry?: (() => void) | undefined;
}): ReactNode {
  const status = problem instanceof Problem && problem.code > 0 ? ` (status ${problem.code})` : '';
  const detail = problem instanceof Problem ? problem.detail : '';
  return (
    <div className="notice" data-kind="problem" role="alert">
      <Shape look="failed" />
      <div>
        <p className="notice-title">
          {capital(problem.message)}
          {status}.
        </p>
        {detail === '' ? null : <p>{capital(detail)}</p>}
      </div>
      {onRetry === undefined ? null : (
        <Button size="compact-sm" variant="default" onClick={onRetry}>
          Try again
        </Button>
      )}
    </div>
  );
}

export function EmptyState({
  title,
  children,
}: {
  readonly title: string;
  readonly children?: ReactNode;
}): ReactNode {
  return (
    <div className="empty">
      <svg
        width="64"
        height="40"
        viewBox="0 0 64 40"
        fill="none"
        stroke="currentColor"
        aria-hidden="true"
      >
        <rect x="1" y="1" width="62" height="38" rx="5" strokeWidth="1.5" />
        <circle cx="20" cy="18" r="7" strokeWidth="1.5" />
        <circle cx="44" cy="18" r="7" strokeWidth="1.5" />
        <path d="M20 11h24M14 39l4-8h28l4 8" strokeWidth="1.5" />
      </svg>
      <h2>{title}</h2>
      {children}
    </div>
  );
}
