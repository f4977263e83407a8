import { makeMetrics } from '@tapestry/runtime';
import { expect, test } from 'vitest';
import { PANELS } from './dashboard-file.ts';

test('the dashboard asks only for what daemons measure', async () => {
  const metrics = makeMetrics('nbrb', undefined);
  // As runDaemon names it.
  const labels = ['method', 'caller', 'status'] as const;
  metrics
    .histogram('call_seconds', 'Time to answer a call', [1], labels)
    .observe({ method: 'x', caller: 'y', status: '0' }, 1);
  const text = `${await metrics.registry.metrics()}\nup 1\n`;
  for (const { expression } of PANELS) {
    const [name] = /\b(up|tapestry_\w+|process_\w+|nodejs_\w+)\b/.exec(expression) ?? [];
    expect(text).toMatch(new RegExp(`^${name}\\b`, 'm'));
  }
});
