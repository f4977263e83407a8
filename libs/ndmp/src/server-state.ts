// The vocabulary of the server's state machine: what it knows of one connection, what may happen to
// it, and what it wants done. All of it is data; a shell with sockets performs the effects.

import { DATA_HALT, DATA_OPERATION, DATA_STATE } from './constants.ts';
import type { NdmpVersion, PostBody, PostName, RequestBody, RequestName } from './messages.ts';
import type { MoverOrder, MoverReport } from './server-ports.ts';
import type { NameEntry, NdmpAddress, Pval, TcpEndpoint } from './structures.ts';

export interface DataMachine {
  readonly state: number;
  readonly operation: number;
  readonly haltReason: number;
  readonly address: NdmpAddress;
  /** What the DMA sent, with what the operation changed and added. */
  readonly env: readonly Pval[];
  readonly readOffset: bigint;
  readonly readLength: bigint;
}

/** offered: greeted, no version yet. open: version agreed. authed: may do everything. */
export type ConnectionPhase = 'offered' | 'open' | 'authed' | 'closing';

export interface ServerState {
  readonly phase: ConnectionPhase;
  readonly version: NdmpVersion;
  /** The latest challenge given out; one answer uses it up. */
  readonly challenge: Buffer | undefined;
  readonly authFailures: number;
  readonly data: DataMachine;
  /** The request whose reply waits for an effect; no other request may be taken until then. */
  readonly owed: { readonly name: RequestName; readonly sequence: number } | undefined;
}

export type AnyRequest = {
  [N in RequestName]: { type: 'request'; sequence: number; name: N; body: RequestBody<N> };
}[RequestName];

export type ServerEvent =
  | AnyRequest
  /** Outcomes of the effects listen, dial, start, and of answer and device. */
  | { type: 'listening'; address: NdmpAddress }
  | { type: 'dialled'; address: NdmpAddress }
  | { type: 'started'; env: readonly Pval[] }
  | { type: 'answered'; body: Record<string, unknown> }
  | { type: 'failed'; error: number; text?: string }
  /** Outcomes of moverListen and moverConnect; `failed` is theirs as well. */
  | { type: 'moverListening'; address: NdmpAddress }
  | { type: 'moverConnected'; address: NdmpAddress }
  /** What the mover reports on its own. */
  | MoverReport
  /** The control connection is gone: everything is given back, nothing is said any more. */
  | { type: 'lost' }
  /** What the data service reports on its own. */
  | { type: 'peerConnected'; address: NdmpAddress }
  | { type: 'dataRead'; offset: bigint; length: bigint }
  | { type: 'ended'; reason: number; env: readonly Pval[] };

export type Effect =
  | { do: 'reply'; name: RequestName; sequence: number; body: Record<string, unknown> }
  | { do: 'post'; name: PostName; body: PostBody<PostName> }
  /** Wait before the next request is read: the price of a wrong password. */
  | { do: 'penalise'; failures: number }
  | { do: 'close' }
  | { do: 'answer'; name: RequestName }
  | { do: 'listen'; addressType: number }
  /** `endpoints` is empty for LOCAL: the data service then joins the mover of this session. */
  | { do: 'dial'; address: NdmpAddress; endpoints: TcpEndpoint[] }
  | { do: 'start'; operation: number; butype: string; env: Pval[]; names: NameEntry[] }
  /** End the data connection and whatever runs on it, at once. */
  | { do: 'abortData' }
  /** DATA_STOP: forget the operation; what a successful backup must remember is remembered now. */
  | { do: 'releaseData'; successful: boolean }
  | DeviceEffect;

export type DeviceRequestName =
  | 'tapeOpen'
  | 'tapeClose'
  | 'tapeGetState'
  | 'tapeMtio'
  | 'tapeWrite'
  | 'tapeRead'
  | 'tapeExecuteCdb'
  | 'scsiOpen'
  | 'scsiClose'
  | 'scsiGetState'
  | 'scsiSetTarget'
  | 'scsiResetDevice'
  | 'scsiResetBus'
  | 'scsiExecuteCdb';

/** What concerns tape, robot and mover; `SessionDevices` performs these over the ports. */
export type DeviceEffect =
  /** Ask the port; its outcome is the event `answered`. */
  | { do: 'device'; name: DeviceRequestName; body: Record<string, unknown>; rules: DeviceRules }
  /** Give the open device back without an answer: the connection ended. */
  | { do: 'releaseDevice'; rules: DeviceRules }
  | { do: 'moverListen'; addressType: number }
  | { do: 'moverConnect'; address: NdmpAddress }
  | { do: 'moverRun'; order: MoverOrder }
  | { do: 'moverRead'; offset: bigint; length: bigint }
  | { do: 'moverClose' }
  | { do: 'moverAbort' }
  | { do: 'moverRelease' };

/** What the machine decided about how a device request is to be done. */
export interface DeviceRules {
  /** Write a filemark first: data is on the tape without one behind it (SPEC4 3.4.1). */
  readonly markFirst: boolean;
  /** v2 and v3: reads and record spacing go over a filemark that they meet. */
  readonly crossing: boolean;
  /** TAPE_CLOSE after one that failed: no I/O, always succeeds. */
  readonly discard: boolean;
}

/** What is outside the machine and may change between two events. */
export interface ServerFacts {
  readonly user: string;
  readonly password: string;
  readonly allowText: boolean;
  /** ADDR_TYPE values that the data service can connect by. */
  readonly addressTypes: readonly number[];
  readonly authFailuresMax: number;
  /** The versions that CONNECT_OPEN may agree on: 3 to 4 unless said otherwise. */
  readonly versionMin?: NdmpVersion;
  readonly versionMax?: NdmpVersion;
  /** 64 fresh random bytes. */
  newChallenge(): Buffer;
  /** Stream bytes moved so far by the current operation. */
  bytesProcessed(): bigint;
}

export interface Step {
  readonly state: ServerState;
  readonly effects: readonly Effect[];
}

export const IDLE_DATA: DataMachine = {
  state: DATA_STATE.idle,
  operation: DATA_OPERATION.noAction,
  haltReason: DATA_HALT.na,
  address: { type: 'local' },
  env: [],
  readOffset: 0n,
  readLength: 0n,
};

export const INITIAL_SERVER: ServerState = {
  phase: 'offered',
  version: 4,
  challenge: undefined,
  authFailures: 0,
  data: IDLE_DATA,
  owed: undefined,
};
