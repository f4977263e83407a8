// What tests of the server's machines share: a server with everything, and short ways to ask it.

import type { NdmpAddress } from './addresses.ts';
import { ADDR_TYPE, DATA_STATE, MOVER_MODE, MOVER_STATE, TAPE_OPEN_MODE } from './constants.ts';
import type { NdmpVersion, RequestName } from './messages.ts';
import { SAMPLE_REQUESTS } from './samples.test-data.ts';
import { step } from './server-machine.ts';
import type { MoverProgress } from './server-ports.ts';
import {
  type AnyRequest,
  type DeviceSlot,
  type Effect,
  IDLE_DATA,
  IDLE_MOVER,
  INITIAL_SERVER,
  type MoverMachine,
  type ServerEvent,
  type ServerFacts,
  type ServerState,
} from './server-state.ts';

export const CHALLENGE: Buffer = Buffer.alloc(64, 9);
export const RECORD_BYTES = 512;

export const FULL_FACTS: ServerFacts = {
  user: 'ndmp',
  password: 'secret',
  allowText: true,
  addressTypes: [ADDR_TYPE.local, ADDR_TYPE.tcp, ADDR_TYPE.tcp6],
  authFailuresMax: 3,
  newChallenge: () => CHALLENGE,
  bytesProcessed: () => 77n,
  versionMin: 2,
  hasTape: true,
  hasScsi: true,
  moverProgress: () => ({ bytesMoved: 0n, recordNumber: 0, bytesLeftToRead: 0n }),
  extensions: [
    { classId: 0x7ff0, versions: [1, 2] },
    { classId: 0x2052, versions: [1] },
    { classId: 0x2051, versions: [1] },
  ],
};
export const STRICT: ServerFacts = { ...FULL_FACTS, isStrict: true };

export function factsWith(progress: Partial<MoverProgress>, isStrict = false): ServerFacts {
  const full = { bytesMoved: 0n, recordNumber: 0, bytesLeftToRead: 0n, ...progress };
  return { ...FULL_FACTS, isStrict, moverProgress: () => full };
}

export const TCP: NdmpAddress = {
  type: 'tcp',
  endpoints: [{ host: '10.0.0.1', port: 4000, env: [] }],
};
export const TCP6: NdmpAddress = {
  type: 'tcp6',
  endpoints: [{ host: '2001:db8::42', port: 4000, env: [] }],
};
export const LOCAL: NdmpAddress = { type: 'local' };

export const TAPE: DeviceSlot = {
  kind: 'tape',
  mode: TAPE_OPEN_MODE.readWrite,
  blockSizeBytes: 0,
  isUnmarked: false,
  closeFailed: false,
};

export const authed = (version: NdmpVersion = 4): ServerState => ({
  ...INITIAL_SERVER,
  version,
  phase: 'authed',
});

/** An authenticated session with an open drive and its mover in this state. */
export function withMover(
  state: number,
  changes: Partial<MoverMachine> = {},
  version: NdmpVersion = 4,
): ServerState {
  const window = { offset: 0n, length: 2048n };
  const mode = state === MOVER_STATE.idle ? MOVER_MODE.noAction : MOVER_MODE.write;
  const address = state === MOVER_STATE.idle ? LOCAL : TCP;
  const base = { ...IDLE_MOVER, state, recordSize: RECORD_BYTES, window, mode, address };
  return { ...authed(version), device: TAPE, mover: { ...base, ...changes } };
}

export function withData(state: number, version: NdmpVersion = 4): ServerState {
  const data = state === DATA_STATE.idle ? IDLE_DATA : { ...IDLE_DATA, state, address: TCP };
  return { ...authed(version), data };
}

export function ask(name: RequestName, body: unknown = SAMPLE_REQUESTS[name]): AnyRequest {
  return { type: 'request', sequence: 5, name, body } as AnyRequest;
}

export interface Run {
  readonly state: ServerState;
  readonly effects: readonly Effect[];
}

/** Feeds events one after the other; all effects in order. */
export function run(state: ServerState, events: readonly ServerEvent[], facts = FULL_FACTS): Run {
  let current = state;
  const effects: Effect[] = [];
  for (const event of events) {
    const next = step(current, event, facts);
    current = next.state;
    effects.push(...next.effects);
  }
  return { state: current, effects };
}

/** The error word of the reply; undefined while it is owed. */
export function errorOf({ effects }: { effects: readonly Effect[] }): unknown {
  const reply = effects.find((effect) => effect.do === 'reply');
  return reply?.do === 'reply' ? reply.body.error : undefined;
}

export function postsOf({ effects }: { effects: readonly Effect[] }): unknown[] {
  return effects
    .filter((effect) => effect.do === 'post')
    .map((effect) => [effect.name, effect.body]);
}

export const deeds = ({ effects }: { effects: readonly Effect[] }): string[] =>
  effects.map((effect) => effect.do);
