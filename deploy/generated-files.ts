// Every file of this folder that is made from the model: name → text.

import { composeText } from './compose/compose-file.ts';
import { manifestFiles } from './k8s/manifest-files.ts';
import { dashboardText } from './observability/dashboard-file.ts';
import { prometheusText } from './observability/prometheus-file.ts';

export function generatedFiles(): Record<string, string> {
  return {
    'compose/docker-compose.yml': composeText(),
    ...manifestFiles(),
    'observability/prometheus.yml': prometheusText(),
    'observability/dashboard.json': dashboardText(),
  };
}
