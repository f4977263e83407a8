// The process flow of a job, drawn: daemons, the steps between them, the data path thick, and the step it is in.

import type { ReactNode } from 'react';
import type { Job } from '../api.ts';
import {
  edgesOf,
  type FlowEdge,
  type FlowNode,
  NODE_HEIGHT,
  NODE_WIDTH,
  nodesOf,
  type StepState,
  stateOfStep,
  stepWords,
  VIEW,
} from './flow-map.ts';

const NOTE_CHARS_MAX = 22;

export function ProcessFlow({ job }: { readonly job: Job }): ReactNode {
  const nodes = nodesOf(job);
  const edges = edgesOf(job);
  const words = stepWords(job);
  const busy = new Set(
    edges
      .filter(({ step }) => ['current', 'failed'].includes(stateOfStep(job, step)))
      .flatMap(({ from, to }) => [from, to]),
  );
  // Those ahead first, so that the step it is in lies on top.
  const sorted = [...edges].sort(
    (a, b) => ORDER[stateOfStep(job, a.step)] - ORDER[stateOfStep(job, b.step)],
  );
  return (
    <figure className="flow" data-outcome={job.outcome}>
      <svg
        viewBox={`0 0 ${VIEW.width} ${VIEW.height}`}
        role="img"
        aria-label={`Process flow. ${words}`}
      >
        <Arrowheads />
        <rect className="flow-lane" x="6" y="8" width="648" height="138" rx="8" />
        <text className="flow-lane-name" x="16" y="138">
          Primary server
        </text>
        <path
          className="flow-lane"
          d="M14 164H646a8 8 0 0 1 8 8V284a8 8 0 0 1-8 8H448V372a8 8 0 0 1-8 8H330a8 8 0 0 1-8-8V292H14a8 8 0 0 1-8-8V172a8 8 0 0 1 8-8Z"
        />
        <text className="flow-lane-name" x="16" y="182">
          Media server{job.mediaServer === '' ? '' : ` ${job.mediaServer}`}
        </text>
        {sorted.map((edge) => (
          <Edge
            key={`${edge.step} ${edge.from} ${edge.to}`}
            edge={edge}
            state={stateOfStep(job, edge.step)}
          />
        ))}
        {nodes.map((node) => (
          <Node key={node.id} node={node} busy={busy.has(node.id)} />
        ))}
        {sorted.map((edge) =>
          edge.badge === undefined ? null : (
            <Badge
              key={`${edge.step} ${edge.from} ${edge.to}`}
              step={edge.step}
              at={edge.badge}
              state={stateOfStep(job, edge.step)}
            />
          ),
        )}
      </svg>
      <figcaption>{words}</figcaption>
    </figure>
  );
}

const ORDER: Record<StepState, number> = { ahead: 0, done: 1, failed: 2, current: 3 };

function Arrowheads(): ReactNode {
  return (
    <defs>
      {(['ahead', 'done', 'current', 'failed'] as const).map((state) => (
        <marker
          key={state}
          id={`flow-head-${state}`}
          className="flow-head"
          data-state={state}
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="7"
          markerHeight="7"
          markerUnits="userSpaceOnUse"
          orient="auto"
        >
          <path d="M0 .8 7.4 4 0 7.2Z" />
        </marker>
      ))}
    </defs>
  );
}

function Edge({ edge, state }: { readonly edge: FlowEdge; readonly state: StepState }): ReactNode {
  return (
    <>
      <path
        className="flow-edge"
        data-state={state}
        data-data={edge.data}
        d={edge.path}
        markerEnd={edge.data ? undefined : `url(#flow-head-${state})`}
      />
      {state === 'current' ? (
        <path className="flow-pulse" data-data={edge.data} d={edge.path} />
      ) : null}
    </>
  );
}

function Badge({
  step,
  at: [x, y],
  state,
}: {
  readonly step: number;
  readonly at: readonly [number, number];
  readonly state: StepState;
}): ReactNode {
  return (
    <g className="flow-badge" data-state={state}>
      <circle cx={x} cy={y} r="8.5" />
      <text x={x} y={y + 3.6}>
        {step}
      </text>
    </g>
  );
}

function Node({ node, busy }: { readonly node: FlowNode; readonly busy: boolean }): ReactNode {
  const { x, y, label, note, shape } = node;
  const left = x - NODE_WIDTH / 2;
  const top = y - NODE_HEIGHT / 2;
  return (
    <g className="flow-node" data-busy={busy || undefined} data-shape={shape}>
      <rect
        x={left}
        y={top}
        width={NODE_WIDTH}
        height={NODE_HEIGHT}
        rx={shape === 'tape' ? 14 : 6}
      />
      <text className="flow-label" x={x} y={y + 4}>
        {label}
      </text>
      {note === '' ? null : (
        <text className="flow-note" x={x} y={y + NODE_HEIGHT / 2 + 15}>
          <title>{note}</title>
          {note.length > NOTE_CHARS_MAX ? `${note.slice(0, NOTE_CHARS_MAX - 1)}…` : note}
        </text>
      )}
    </g>
  );
}
