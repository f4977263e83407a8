// The detail lines of a job as they come: who said what, when. The newest stays in sight unless one reads above.

import { Button } from '@mantine/core';
import { type ReactNode, useLayoutEffect, useRef, useState } from 'react';
import type { Line } from '../api.ts';
import { clockTime, countWords, exactTime } from '../words.ts';

const SHOWN_MAX = 300;
const NEAR_END_PX = 40;

export function DetailLines({ lines }: { readonly lines: readonly Line[] }): ReactNode {
  const [all, setAll] = useState(false);
  const box = useRef<HTMLDivElement>(null);
  const follow = useRef(true);
  const shown = all ? lines : lines.slice(-SHOWN_MAX);
  const hidden = lines.length - shown.length;
  const newest = lines.at(-1)?.number;
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new line is what scrolls
  useLayoutEffect(() => {
    const element = box.current;
    if (element !== null && follow.current) element.scrollTop = element.scrollHeight;
  }, [newest]);
  return (
    <section aria-labelledby="lines">
      <h3 id="lines">Details</h3>
      {lines.length === 0 ? (
        <p className="dim">
          Nothing has been said yet. Each daemon adds its lines here as it works.
        </p>
      ) : (
        <div
          className="lines"
          ref={box}
          role="log"
          aria-label="Detail lines"
          // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling box must be reachable by keys
          tabIndex={0}
          onScroll={({ currentTarget: { scrollTop, scrollHeight, clientHeight } }) => {
            follow.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
          }}
        >
          {hidden === 0 ? null : (
            <Button size="compact-xs" variant="subtle" onClick={() => setAll(true)}>
              Show {countWords(hidden)} older lines
            </Button>
          )}
          {shown.map((line) => (
            <div key={line.number} className="line" data-severity={line.severity}>
              <time dateTime={new Date(line.atMs).toISOString()} title={exactTime(line.atMs)}>
                {clockTime(line.atMs)}
              </time>
              <span className="line-from">{line.producer}</span>
              <span className="line-text">
                {line.severity === 'info' ? '' : <b>{line.severity}: </b>}
                {line.text}
              </span>
            </div>
          ))}
        </div>
      )}
    </section>
  );
}
