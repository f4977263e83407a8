// Prometheus's scrape configuration for the composition: every daemon serves /metrics on its HTTP port.

import { servicesOf } from '@tapestry/tools/provision/services.ts';
import { stringify } from 'yaml';
import { MEDIA_HOST } from '../compose/compose-model.ts';

const HEAD = `# Prometheus for the composition: join its network, and mount this as /etc/prometheus/prometheus.yml.
# Made by deploy/generate.ts from tools/provision/services.ts: change it there.
`;

export function prometheusText(): string {
  const targets = servicesOf([MEDIA_HOST]).map(({ name, port }) => `${name}:${port}`);
  const job = { job_name: 'tapestry', static_configs: [{ targets }] };
  return (
    HEAD +
    stringify({ global: { scrape_interval: '15s' }, scrape_configs: [job] }, { lineWidth: 0 })
  );
}
