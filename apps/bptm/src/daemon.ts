// The definition of bptm: what main.ts runs, and what tests run in their own process.

import { join } from 'node:path';
import { iscsiPlace } from '@tapestry/iscsi';
import type { DaemonContext, RunningParts } from '@tapestry/runtime';
import { DrivePool } from './adapters/drive-pool.ts';
import { StreamStore } from './adapters/stream-store.ts';
import { type Config, config } from './config.ts';
import { diskImageHandlers } from './disk-images.ts';
import { startDiskReports } from './disk-reporter.ts';
import { StreamService } from './service.ts';
import { SharedDrives } from './shared-drives.ts';

async function start(context: DaemonContext<Config>): Promise<RunningParts<'bptm'>> {
  const { bus, clock, log, base, stopping, dir } = context;
  const store = new StreamStore(join(dir, 'bptm.sqlite'));
  const pool = new DrivePool({
    size: context.config.poolSize,
    cacheDir: join(dir, 'compile-cache'),
    onStarted: (mark) => store.processStarted(mark),
    onEnded: (pid) => store.processEnded(pid),
  });
  const parts = {
    ...{ bus, clock, log, stopping, store, pool, host: base.host, config: context.config },
    iscsi: iscsiPlace(base.host, context.config.iscsiFile, base.stateDir),
  };
  const service = new StreamService({ ...parts, shared: new SharedDrives(parts) });
  await service.takeUp();
  const reports = startDiskReports({
    ...{ nbemm: bus.client('nbemm'), host: base.host, log },
    everyMs: context.config.diskReportEveryMs,
  });
  const images = diskImageHandlers({ nbemm: bus.client('nbemm'), host: base.host, log });
  return {
    handlers: { ...service.handlers(), ...images },
    stop: async () => {
      reports.stop();
      service.stop();
      await pool.close();
      store.close();
    },
  };
}

export const bptm = { service: 'bptm', config, start } as const;
