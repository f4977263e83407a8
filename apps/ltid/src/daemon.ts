// The definition of ltid: what main.ts runs, and what tests run in their own process.

import { join } from 'node:path';
import { iscsiPlace } from '@tapestry/iscsi';
import type { DaemonContext, RunningParts } from '@tapestry/runtime';
import { MountStore } from './adapters/mount-store.ts';
import { Robots } from './adapters/robots.ts';
import { type Config, config } from './config.ts';
import { DeviceCheck } from './device-check.ts';
import { DriveCleaning } from './drive-cleaning.ts';
import { Housekeeping } from './housekeeping.ts';
import { Letters } from './letters.ts';
import { type MountParts, Mounts } from './mounts.ts';
import { PendingRequests } from './pending-requests.ts';
import { Renewals } from './renewals.ts';
import { RobotDesk } from './robot-desk.ts';
import { makeHandlers, startClocks } from './service.ts';

async function start(context: DaemonContext<Config>): Promise<RunningParts<'ltid'>> {
  const { bus, clock, log, base, stopping, dir } = context;
  const { host } = base;
  const nbemm = bus.client('nbemm');
  const store = new MountStore(join(dir, 'ltid.sqlite'));
  const { libraryModules: modules, moveTimeoutMs, iscsiFile } = context.config;
  const iscsi = iscsiPlace(host, iscsiFile, base.stateDir);
  const robots = new Robots({
    nbemm,
    agent: bus.client('ndmpagent', host),
    ltidOf: (other) => bus.client('ltid', other),
    host,
    modules,
    moveTimeoutMs,
    nowMs: () => clock.nowMs(),
    onMove: (robotNumber, { from, to }, phase) => {
      const event = { robotNumber, fromAddress: from, toAddress: to, phase };
      // For who looks on: one that is lost is no failure.
      void bus.publish('RobotMoved', { ...event, atMs: BigInt(clock.nowMs()) }).catch(() => {});
    },
    iscsi,
  });
  const letters = new Letters({ store, nbemm, clock, log, stopping });
  const pending = new PendingRequests({ store, clock, log, stopping });
  let follow: MountParts['onChanged'] = () => undefined;
  const mounts = new Mounts({
    ...{ bus, clock, log, store, robots, letters, pending, stopping, config: context.config },
    onChanged: (before, after) => follow(before, after),
  });
  const renewals = new Renewals({
    ...{ mounts, clock, log, host, stopping, config: context.config },
    nbrb: bus.client('nbrb'),
  });
  const housekeeping = new Housekeeping({
    ...{ mounts, robots, letters, clock, log, stopping, config: context.config },
  });
  const desk = new RobotDesk({ mounts, robots, letters, clock, log, config: context.config });
  const cleaning = new DriveCleaning({
    ...{ mounts, robots, letters, store, nbemm, clock, log, stopping, config: context.config },
  });
  const deviceCheck = new DeviceCheck({ robots, letters, nbemm, clock, log, stopping });
  follow = ({ drive, mountedMs }, after) => {
    renewals.report();
    if (mountedMs > 0 && after.mountedMs === 0) cleaning.used(drive, clock.nowMs() - mountedMs);
  };
  void letters.deliver();
  const parts = {
    mounts,
    renewals,
    robots,
    housekeeping,
    desk,
    pending,
    cleaning,
    deviceCheck,
    iscsi,
    letters,
    stopping,
    log,
    config: context.config,
  };
  const clocks = startClocks(parts);
  return {
    handlers: makeHandlers(parts),
    stop: async () => {
      clocks.stop();
      await robots.close();
      store.close();
    },
  };
}

export const ltid = { service: 'ltid', config, start } as const;
