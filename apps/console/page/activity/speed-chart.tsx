// Speed of one job over its run, drawn by uPlot, which is loaded only when a job is opened.

import { useComputedColorScheme } from '@mantine/core';
import { type ReactNode, useEffect, useRef } from 'react';
import uPlot from 'uplot';
import 'uplot/dist/uPlot.min.css';
import { ratesOf } from '../../src/core/throughput.ts';
import type { ApiSample } from '../../src/schemas.ts';
import { clockTime, rateWords } from '../words.ts';

const HEIGHT_PX = 130;

export default function SpeedChart({
  samples,
}: {
  readonly samples: readonly ApiSample[];
}): ReactNode {
  const host = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | null>(null);
  const scheme = useComputedColorScheme('light');
  const latest = useRef(samples);
  latest.current = samples;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another scheme has other colours
  useEffect(() => {
    const element = host.current;
    if (element === null) return;
    const made = new uPlot(optionsFor(element), dataOf(latest.current), element);
    plot.current = made;
    const observer = new ResizeObserver(() =>
      made.setSize({ width: element.clientWidth, height: HEIGHT_PX }),
    );
    observer.observe(element);
    return () => {
      observer.disconnect();
      made.destroy();
      plot.current = null;
    };
  }, [scheme]);
  useEffect(() => plot.current?.setData(dataOf(samples)), [samples]);
  return <div className="speed-chart" ref={host} />;
}

function dataOf(samples: readonly ApiSample[]): uPlot.AlignedData {
  const rates = ratesOf(samples);
  return [rates.map(({ atMs }) => atMs / 1000), rates.map(({ bytesPerS }) => bytesPerS)];
}

function optionsFor(element: HTMLElement): uPlot.Options {
  const style = getComputedStyle(element);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const axis = {
    stroke: color('--dim'),
    font: '11px system-ui',
    grid: { stroke: color('--line'), width: 1 },
    ticks: { show: false },
  };
  return {
    width: element.clientWidth,
    height: HEIGHT_PX,
    padding: [8, 8, 0, 0],
    legend: { show: false },
    cursor: { show: false },
    scales: { y: { range: (_plot, _min, max) => [0, Math.max(max * 1.1, 1)] } },
    axes: [
      {
        ...axis,
        size: 22,
        space: 90,
        values: (_plot, seconds) => seconds.map((at) => clockTime(at * 1000)),
      },
      {
        ...axis,
        size: 74,
        space: 28,
        values: (_plot, rates) => rates.map((rate) => rateWords(rate)),
      },
    ],
    series: [
      {},
      {
        stroke: color('--accent'),
        fill: color('--accent-soft'),
        width: 1.5,
        points: { show: false },
      },
    ],
  };
}
