export { type Clock, systemClock } from './clock.ts';
export { type BaseConfig, type ConfigSource, parseConfig, readSecret } from './config.ts';
export {
  type DaemonContext,
  type DaemonDefinition,
  type RunningDaemon,
  type RunningParts,
  runDaemon,
  startDaemon,
} from './daemon.ts';
export { type DetailLine, flushDetails, tellDetail } from './detail.ts';
export type { Health } from './health.ts';
export { VERSION } from './heartbeat.ts';
export type { FastifyInstance } from './http.ts';
export { type Logger, makeLog } from './log.ts';
export { type Metrics, makeMetrics } from './metrics.ts';
