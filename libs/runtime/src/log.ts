// Logging: one JSON line an event on standard output, with the trace it belongs to and never a secret.

import { trace } from '@opentelemetry/api';
import { type Logger, pino } from 'pino';

export type { Logger };

const SECRETS = [
  'password',
  '*.password',
  'passphrase',
  '*.passphrase',
  'secret',
  '*.secret',
  'sealed',
];

export function makeLog(service: string, host: string | undefined, level: string): Logger {
  return pino({
    level,
    base: host === undefined ? { service } : { service, host },
    redact: { paths: SECRETS, censor: '[secret]' },
    formatters: { level: (label) => ({ level: label }) },
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    mixin: () => {
      const span = trace.getActiveSpan()?.spanContext();
      return span === undefined ? {} : { trace: span.traceId };
    },
  });
}
