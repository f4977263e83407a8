// The jobs, of which only those in sight exist as rows: a hundred thousand cost as much as forty. New jobs come in
// on top without moving what is being read.

import { Loader } from '@mantine/core';
import { useTable } from '@tanstack/react-table';
import { useVirtualizer } from '@tanstack/react-virtual';
import {
  memo,
  type ReactNode,
  type RefObject,
  useEffect,
  useLayoutEffect,
  useMemo,
  useRef,
  useState,
} from 'react';
import type { ApiSample } from '../../src/schemas.ts';
import type { Job } from '../api.ts';
import { useNow } from '../live/clock.ts';
import type { ListState } from '../live/job-list.ts';
import { placeOf } from '../live/job-rows.ts';
import { useLive } from '../live/live.tsx';
import { countWords } from '../words.ts';
import { columnsFor, extraOf, features, type RowData } from './columns.tsx';

export const ROW_HEIGHT_PX = 34;
const OVERSCAN = 8;
/** Rows before the end at which the next page is asked for. */
const LOAD_AHEAD = 200;

export interface JobTableProps {
  readonly list: ListState;
  readonly selected: number | null;
  readonly opened: number | null;
  readonly onSelect: (jobId: number) => void;
  readonly onOpen: (jobId: number) => void;
  readonly onLoadMore: () => void;
}

export function JobTable(props: JobTableProps): ReactNode {
  const { list, selected, onLoadMore } = props;
  const scroller = useRef<HTMLDivElement>(null);
  const widthPx = useWidth(scroller);
  const virtualizer = useVirtualizer({
    count: list.ids.length,
    getScrollElement: () => scroller.current,
    estimateSize: () => ROW_HEIGHT_PX,
    overscan: OVERSCAN,
  });
  useAnchor(scroller, list);
  const items = virtualizer.getVirtualItems();
  const lastIndex = items.at(-1)?.index ?? 0;
  useEffect(() => {
    if (list.more && !list.loading && lastIndex >= list.ids.length - LOAD_AHEAD) onLoadMore();
  }, [list.more, list.loading, list.ids.length, lastIndex, onLoadMore]);
  // Only a new selection scrolls; a list that grows does not.
  // biome-ignore lint/correctness/useExhaustiveDependencies: see above
  useEffect(() => {
    if (selected === null) return;
    const place = placeOf(list.ids, selected);
    if (list.ids[place] === selected) virtualizer.scrollToIndex(place, { align: 'auto' });
  }, [selected]);

  const data = useRowData(
    list,
    items.map(({ index }) => list.ids[index]!),
  );
  const columns = useMemo(() => columnsFor(widthPx), [widthPx]);
  const table = useTable({ features, columns, data, getRowId: (row) => String(row.job.jobId) });
  const template = columns.map(({ id }) => extraOf(id!).width).join(' ');
  const grid = { gridTemplateColumns: template };
  const rows = table.getRowModel().rows;
  return (
    <div
      className="jobs"
      ref={scroller}
      role="grid"
      aria-label="Jobs"
      aria-rowcount={list.more ? -1 : list.ids.length + 1}
      aria-colcount={columns.length}
    >
      <div className="jobs-head" role="row" aria-rowindex={1} style={grid} tabIndex={-1}>
        {table.getHeaderGroups()[0]!.headers.map((header) => (
          <div
            key={header.id}
            role="columnheader"
            tabIndex={-1}
            className={extraOf(header.id).number ? 'number' : undefined}
          >
            <table.FlexRender header={header} />
          </div>
        ))}
      </div>
      <div className="jobs-body" role="rowgroup" style={{ height: virtualizer.getTotalSize() }}>
        {items.map((item, place) => {
          const row = rows[place];
          if (row === undefined) return null;
          return (
            <JobRowView
              key={row.id}
              index={item.index}
              data={row.original}
              grid={template}
              selected={selected === row.original.job.jobId}
              opened={props.opened === row.original.job.jobId}
              onSelect={props.onSelect}
              onOpen={props.onOpen}
              cells={() =>
                row.getAllCells().map((cell) => (
                  <div
                    key={cell.id}
                    role="gridcell"
                    tabIndex={-1}
                    className={extraOf(cell.column.id).number ? 'number' : undefined}
                  >
                    <table.FlexRender cell={cell} />
                  </div>
                ))
              }
            />
          );
        })}
      </div>
      <TableEnd list={list} />
    </div>
  );
}

interface JobRowViewProps {
  readonly index: number;
  readonly data: RowData;
  readonly grid: string;
  readonly selected: boolean;
  readonly opened: boolean;
  readonly onSelect: (jobId: number) => void;
  readonly onOpen: (jobId: number) => void;
  readonly cells: () => ReactNode;
}

/** Drawn anew only when something in it changed: `cells` is a function of the data alone. */
const JobRowView = memo(
  function JobRowView(props: JobRowViewProps): ReactNode {
    const { jobId, outcome } = props.data.job;
    return (
      // biome-ignore lint/a11y/useKeyWithClickEvents: j, k and Enter are handled for the whole page
      <div
        className="jobs-row"
        role="row"
        aria-rowindex={props.index + 2}
        aria-selected={props.selected}
        data-outcome={outcome}
        data-opened={props.opened || undefined}
        data-job={jobId}
        tabIndex={props.selected ? 0 : -1}
        style={{
          gridTemplateColumns: props.grid,
          transform: `translateY(${props.index * ROW_HEIGHT_PX}px)`,
        }}
        onClick={() => props.onOpen(jobId)}
        onFocus={() => props.onSelect(jobId)}
      >
        {props.cells()}
      </div>
    );
  },
  (a, b) =>
    a.data === b.data &&
    a.index === b.index &&
    a.grid === b.grid &&
    a.selected === b.selected &&
    a.opened === b.opened,
);

/** Row data that stays the same object while nothing in it changed. */
function useRowData(list: ListState, ids: readonly number[]): RowData[] {
  const { series } = useLive();
  const nowMs = useNow();
  const cache = useRef(new Map<number, RowData>());
  const next = new Map<number, RowData>();
  const data: RowData[] = [];
  for (const jobId of ids) {
    const job: Job | undefined = list.job(jobId);
    if (job === undefined) continue;
    const samples: readonly ApiSample[] = job.state === 'active' ? series.of(jobId) : NO_SAMPLES;
    const old = cache.current.get(jobId);
    // What is over shows ages by the minute at most: no need to draw it every second.
    const shownMs = job.state === 'done' ? Math.floor(nowMs / 30_000) * 30_000 : nowMs;
    const same = old?.job === job && old.nowMs === shownMs && old.samples === samples;
    const row = same ? old : { job, samples, nowMs: shownMs };
    next.set(jobId, row);
    data.push(row);
  }
  cache.current = next;
  return data;
}

const NO_SAMPLES: readonly ApiSample[] = [];

function TableEnd({ list }: { readonly list: ListState }): ReactNode {
  if (list.ids.length === 0) {
    return list.problem === null && (!list.loaded || list.more) ? (
      <div className="jobs-wait dim" role="status">
        <Loader size={18} /> {list.loaded ? 'Searching older jobs' : 'Fetching the jobs'}
      </div>
    ) : null;
  }
  return (
    <div className="jobs-end dim">
      {list.more ? (
        <>
          <Loader size={12} /> {countWords(list.ids.length)} jobs shown, older ones are being
          fetched
        </>
      ) : list.ids.length === 1 ? (
        'One job'
      ) : (
        `${countWords(list.ids.length)} jobs`
      )}
    </div>
  );
}

/** Keeps the first row in sight where it is when rows come or go above it. */
function useAnchor(scroller: RefObject<HTMLDivElement | null>, list: ListState): void {
  const anchor = useRef<{ jobId: number; offsetPx: number } | null>(null);
  useEffect(() => {
    const element = scroller.current;
    if (element === null) return;
    const note = (): void => {
      const index = Math.floor(element.scrollTop / ROW_HEIGHT_PX);
      const jobId = list.ids[index];
      anchor.current =
        element.scrollTop < ROW_HEIGHT_PX / 2 || jobId === undefined
          ? null
          : { jobId, offsetPx: element.scrollTop - index * ROW_HEIGHT_PX };
    };
    note();
    element.addEventListener('scroll', note, { passive: true });
    return () => element.removeEventListener('scroll', note);
  }, [scroller, list]);
  useLayoutEffect(() => {
    const element = scroller.current;
    if (element === null || anchor.current === null) return;
    const { jobId, offsetPx } = anchor.current;
    const wanted = placeOf(list.ids, jobId) * ROW_HEIGHT_PX + offsetPx;
    if (Math.abs(element.scrollTop - wanted) >= 1) element.scrollTop = wanted;
  }, [scroller, list]);
}

function useWidth(ref: RefObject<HTMLElement | null>): number {
  const [widthPx, setWidthPx] = useState(1280);
  useLayoutEffect(() => {
    const element = ref.current;
    if (element === null) return;
    const observer = new ResizeObserver(() => setWidthPx(element.clientWidth));
    observer.observe(element);
    setWidthPx(element.clientWidth);
    return () => observer.disconnect();
  }, [ref]);
  return widthPx;
}
