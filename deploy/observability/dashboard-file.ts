// A Grafana dashboard of what every daemon measures: is it there, how much it asks and answers, what it costs.

interface PanelPlan {
  readonly title: string;
  readonly unit: string;
  readonly expression: string;
  readonly legend: string;
}

export const PANELS: readonly PanelPlan[] = [
  {
    title: 'Daemons that answer',
    unit: 'short',
    expression: 'sum(up{job="tapestry"})',
    legend: 'up',
  },
  {
    title: 'Calls a second',
    unit: 'reqps',
    expression: 'sum by (service, method) (rate(tapestry_call_seconds_count[5m]))',
    legend: '{{service}} {{method}}',
  },
  {
    title: 'Calls that ended with a status above 1, a second',
    unit: 'reqps',
    expression:
      'sum by (service, method, status) (rate(tapestry_call_seconds_count{status!~"0|1"}[5m]))',
    legend: '{{service}} {{method}} {{status}}',
  },
  {
    title: 'Time to answer, 99 of 100 calls',
    unit: 's',
    expression:
      'histogram_quantile(0.99, sum by (le, service) (rate(tapestry_call_seconds_bucket[5m])))',
    legend: '{{service}}',
  },
  {
    title: 'Memory',
    unit: 'bytes',
    expression: 'process_resident_memory_bytes{job="tapestry"}',
    legend: '{{service}} {{host}}',
  },
  {
    title: 'CPU',
    unit: 'percentunit',
    expression: 'rate(process_cpu_seconds_total{job="tapestry"}[5m])',
    legend: '{{service}} {{host}}',
  },
  {
    title: 'Delay of the event loop, 99 of 100',
    unit: 's',
    expression: 'nodejs_eventloop_lag_p99_seconds{job="tapestry"}',
    legend: '{{service}} {{host}}',
  },
];

export function dashboardText(): string {
  const datasource = { type: 'prometheus', uid: `\${datasource}` };
  const dashboard = {
    title: 'Tapestry',
    uid: 'tapestry',
    schemaVersion: 39,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: { list: [{ name: 'datasource', type: 'datasource', query: 'prometheus' }] },
    panels: PANELS.map(({ title, unit, expression, legend }, i) => ({
      id: i + 1,
      type: 'timeseries',
      title,
      datasource,
      gridPos: { x: (i % 2) * 12, y: Math.floor(i / 2) * 8, w: 12, h: 8 },
      fieldConfig: { defaults: { unit }, overrides: [] },
      targets: [{ refId: 'A', datasource, expr: expression, legendFormat: legend }],
    })),
  };
  return `${JSON.stringify(dashboard, null, 2)}\n`;
}
