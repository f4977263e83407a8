// A few facts every five seconds, so that people see what runs.

import type { Bus } from '@tapestry/bus';
import type { Identity } from '@tapestry/contracts';
import type { HealthRecord } from './health.ts';

const PERIOD_MS = 5_000;
export const VERSION = '0.1.0';

export function startHeartbeat(
  bus: Bus,
  identity: Identity,
  health: HealthRecord,
): { stop(): void } {
  const startedMs = BigInt(Date.now());
  const beat = (): void => {
    const { ready, reason, leader } = health.state();
    bus
      .publish('Heartbeat', {
        service: identity.service,
        host: identity.host ?? '',
        pid: process.pid,
        ...{ ready, reason, leader, version: VERSION, startedMs },
        atMs: BigInt(Date.now()),
        rssBytes: BigInt(process.memoryUsage.rss()),
      })
      .catch(() => undefined);
  };
  beat();
  const timer = setInterval(beat, PERIOD_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
