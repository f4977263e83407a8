// A job's state by shape, colour and word; a daemon's and a drive's in the same hand.

import type { ReactNode } from 'react';
import type { Job } from '../api.ts';
import { type Look, lookOf, stateWords } from '../job-words.ts';

export function StateMark({ job }: { readonly job: Job }): ReactNode {
  return <Mark look={lookOf(job)} words={stateWords(job)} />;
}

export function Mark({ look, words }: { readonly look: Look; readonly words: string }): ReactNode {
  return (
    <span className="state-mark" data-look={look}>
      <Shape look={look} />
      <span className="state-words">{words}</span>
    </span>
  );
}

export function Shape({ look }: { readonly look: Look }): ReactNode {
  return (
    <svg
      className="state-shape"
      data-look={look}
      width="14"
      height="14"
      viewBox="0 0 14 14"
      aria-hidden="true"
    >
      {SHAPES[look]}
    </svg>
  );
}

const LINE = {
  fill: 'none',
  stroke: 'currentColor',
  strokeWidth: 1.6,
  strokeLinecap: 'round',
  strokeLinejoin: 'round',
} as const;
const CUT = { ...LINE, stroke: 'var(--surface)', strokeWidth: 1.8 } as const;

const SHAPES: Record<Look, ReactNode> = {
  // A ring: in the queue.
  queued: <circle cx="7" cy="7" r="4.6" {...LINE} />,
  // An hourglass: waits for something named.
  waiting: (
    <path d="M3.6 2h6.8M3.6 12h6.8M4.4 2c0 3 5.2 7 5.2 10M9.6 2c0 3-5.2 7-5.2 10" {...LINE} />
  ),
  // A ring that turns: mounting, positioning, connecting.
  preparing: (
    <>
      <circle cx="7" cy="7" r="4.8" {...LINE} opacity=".3" />
      <path className="turning" d="M7 2.2A4.8 4.8 0 0 1 11.8 7" {...LINE} />
    </>
  ),
  // A triangle: data moves.
  moving: <path d="M3.5 2.2v9.6L11.8 7Z" fill="currentColor" />,
  // An arrow round: tried again.
  requeued: <path d="M11.4 7A4.4 4.4 0 1 1 9.6 3.4M9.8 1.2v2.5H7.3" {...LINE} />,
  // A disc with a tick.
  successful: (
    <>
      <circle cx="7" cy="7" r="6" fill="currentColor" />
      <path d="m4.2 7.2 2 2 3.7-4.2" {...CUT} />
    </>
  ),
  // A triangle with a mark: done, but look.
  partial: (
    <>
      <path d="M7 1.2 13.2 12.4H.8Z" fill="currentColor" strokeLinejoin="round" />
      <path d="M7 5.2v3M7 10.4v.2" {...CUT} strokeWidth={1.6} />
    </>
  ),
  // An octagon with a cross.
  failed: (
    <>
      <path d="M4.4 1h5.2L13 4.4v5.2L9.6 13H4.4L1 9.6V4.4Z" fill="currentColor" />
      <path d="m4.9 4.9 4.2 4.2M9.1 4.9 4.9 9.1" {...CUT} />
    </>
  ),
  // A disc half full: written, with room.
  active: (
    <>
      <circle cx="7" cy="7" r="5" {...LINE} />
      <path d="M2 7a5 5 0 0 0 10 0Z" fill="currentColor" />
    </>
  ),
  // A ring with a plus: free for any pool.
  scratch: (
    <>
      <circle cx="7" cy="7" r="5.2" {...LINE} strokeWidth={1.4} />
      <path d="M7 4.6v4.8M4.6 7h4.8" {...LINE} strokeWidth={1.5} />
    </>
  ),
  halted: <path d="M4.6 2.6v8.8M9.4 2.6v8.8" {...LINE} strokeWidth={2.4} />,
  // A crystal.
  frozen: (
    <path
      d="M7 1.2v11.6M2 4.1l10 5.8M12 4.1 2 9.9M5.4 2.2 7 3.6l1.6-1.4M5.4 11.8 7 10.4l1.6 1.4"
      {...LINE}
      strokeWidth={1.4}
    />
  ),
  // A clock.
  expired: (
    <>
      <circle cx="7" cy="7" r="5.2" {...LINE} strokeWidth={1.4} />
      <path d="M7 4v3.2l2.2 1.4" {...LINE} strokeWidth={1.4} />
    </>
  ),
  // A drop.
  cleaning: <path d="M7 1.4c2.4 3 4 5 4 7a4 4 0 0 1-8 0c0-2 1.6-4 4-7Z" fill="currentColor" />,
  // A diamond with a question.
  unknown: (
    <>
      <path d="M7 .6 13.4 7 7 13.4.6 7Z" fill="currentColor" />
      <path
        d="M5.5 5.6a1.5 1.5 0 1 1 2.2 1.4c-.5.2-.7.5-.7.9M7 9.7v.1"
        {...CUT}
        strokeWidth={1.3}
      />
    </>
  ),
  full: <rect x="2" y="2" width="10" height="10" rx="1.5" fill="currentColor" />,
  suspended: <path d="M4.6 2.6v8.8M9.4 2.6v8.8" {...LINE} strokeWidth={2.4} />,
  incomplete: <circle cx="7" cy="7" r="4.8" {...LINE} strokeDasharray="2.2 2.8" />,
};
