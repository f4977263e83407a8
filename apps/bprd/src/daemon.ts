// bprd put together: the admission rule and the service.

import type { DaemonDefinition } from '@tapestry/runtime';
import { loadAdmissionRule } from './adapters/admission-module.ts';
import { config } from './config.ts';
import { bprdHandlers } from './service.ts';

export const bprd: DaemonDefinition<'bprd', typeof config> = {
  service: 'bprd',
  config,
  start: async ({ bus, log, clock, config: settings }) => {
    const rule = await loadAdmissionRule(settings.admissionModule);
    const { restorePriority } = settings;
    return {
      handlers: bprdHandlers({ bus, log, rule, restorePriority, nowMs: () => clock.nowMs() }),
    };
  },
};
