// Whether a daemon lives, is ready, and leads: one small state that /readyz, the heartbeat and logs show.

export interface Health {
  ready(): void;
  /** `reason` is what an operator reads: name what is missing. */
  notReady(reason: string): void;
  leader(isLeader: boolean): void;
}

export interface HealthState {
  readonly ready: boolean;
  readonly reason: string;
  readonly leader: boolean;
}

export interface HealthRecord {
  /** What the daemon itself says. */
  readonly own: Health;
  busChanged(connected: boolean): void;
  started(): void;
  state(): HealthState;
}

/** Ready means all three: started, the bus is there, and the daemon itself has not said otherwise. */
export function makeHealth(onChange: (state: HealthState) => void): HealthRecord {
  let started = false;
  let bus = true;
  let reason = '';
  let leader = false;
  const state = (): HealthState => {
    const why = !started ? 'starting' : !bus ? 'the bus is not connected' : reason;
    return { ready: why === '', reason: why, leader };
  };
  const change = (apply: () => void): void => {
    const before = JSON.stringify(state());
    apply();
    if (JSON.stringify(state()) !== before) onChange(state());
  };
  return {
    own: {
      ready: () => change(() => (reason = '')),
      notReady: (why) => change(() => (reason = why)),
      leader: (is) => change(() => (leader = is)),
    },
    busChanged: (connected) => change(() => (bus = connected)),
    started: () => change(() => (started = true)),
    state,
  };
}
