// Hears the live events of the bus for the hub, and looks after what the bus cannot tell: that it was away, and that
// a change was lost which no other follows.

import type { Bus } from '@tapestry/bus';
import { integer } from '../core/job-form.ts';
import { type EventSource, makeHub } from './event-hub.ts';

export interface EventFeed extends EventSource {
  stop(): Promise<void>;
}

export interface FeedPorts {
  readonly bus: Bus;
  readonly clock: { nowMs(): number };
}

const TICK_MS = 1_000;
const PING_TICKS = 10;
const CHECK_TICKS = 5;

export async function startFeed({ bus, clock }: FeedPorts): Promise<EventFeed> {
  const hub = makeHub({ nowMs: () => clock.nowMs(), connected: () => bus.connected() });
  // Each closed fragment changes a volume: many such changes are one piece of news.
  let devicesChanged = false;
  const subscriptions = [
    await bus.hear('JobView', (view) => hub.hearView(view)),
    await bus.hear('Heartbeat', (beat, publisher) =>
      hub.hearHeartbeat(beat, publisher.service, publisher.host ?? ''),
    ),
    await bus.hear('RobotMoved', (move, { host = '' }) => hub.hearRobot(move, host)),
    await bus.hear('ResourcesChanged', () => {
      devicesChanged = true;
    }),
  ];
  const check = async (): Promise<void> => {
    if (hub.readers() === 0) return;
    const newestBefore = hub.newest();
    const reply = await bus.client('bpjobd').ListJobs({ limit: 1 });
    hub.check(integer(reply.sequence), newestBefore);
  };
  const watch = watchBus(bus, {
    onBack: () => hub.lose(),
    // bpjobd being away is no news here: its pages of jobs say so to those who ask.
    onCheck: () => void check().catch(() => undefined),
    onPing: () => hub.ping(),
    onTick: () => {
      if (devicesChanged) hub.hearDevices();
      devicesChanged = false;
    },
  });
  return {
    ...hub,
    stop: async () => {
      watch.stop();
      await Promise.all(subscriptions.map((subscription) => subscription.stop()));
      hub.close();
    },
  };
}

interface BusWatch {
  onBack(): void;
  onCheck(): void;
  onPing(): void;
  onTick(): void;
}

/** Tells when the bus was seen to be away and is back; pings and checks in between. */
function watchBus(bus: Bus, { onBack, onCheck, onPing, onTick }: BusWatch): { stop(): void } {
  let connected = bus.connected();
  let ticks = 0;
  const timer = setInterval(() => {
    const now = bus.connected();
    if (now && !connected) onBack();
    ticks += 1;
    onTick();
    if (now !== connected || ticks % PING_TICKS === 0) onPing();
    if (now && ticks % CHECK_TICKS === 0) onCheck();
    connected = now;
  }, TICK_MS);
  timer.unref();
  return { stop: () => clearInterval(timer) };
}
