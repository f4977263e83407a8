// Speed over the last minute or so, as a line in a table cell; the number beside it says the same.

import { memo, type ReactNode } from 'react';
import { ratesOf } from '../../src/core/throughput.ts';
import type { ApiSample } from '../../src/schemas.ts';

const WIDTH = 72;
const HEIGHT = 18;
const POINTS = 40;

export const Sparkline = memo(function Sparkline({
  samples,
}: {
  readonly samples: readonly ApiSample[];
}): ReactNode {
  const rates = ratesOf(samples.slice(-POINTS - 1));
  if (rates.length < 2)
    return <svg className="sparkline" width={WIDTH} height={HEIGHT} aria-hidden />;
  const top = Math.max(...rates.map(({ bytesPerS }) => bytesPerS), 1);
  const points = rates.map(({ bytesPerS }, index) => {
    const x = (index / (rates.length - 1)) * WIDTH;
    const y = HEIGHT - 1.5 - (bytesPerS / top) * (HEIGHT - 3);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg className="sparkline" width={WIDTH} height={HEIGHT} aria-hidden>
      <polygon points={`0,${HEIGHT} ${points.join(' ')} ${WIDTH},${HEIGHT}`} />
      <polyline points={points.join(' ')} />
    </svg>
  );
});
