// The vocabulary of the server's state machine: what it knows of one connection, what may happen to
// it, and what it wants done. All of it is data; a shell with sockets performs the effects.

import type { NdmpAddress, TcpEndpoint } from './addresses.ts';
import {
  DATA_HALT,
  DATA_OPERATION,
  DATA_STATE,
  MOVER_HALT,
  MOVER_MODE,
  MOVER_PAUSE,
  MOVER_STATE,
} from './constants.ts';
import type { NdmpVersion, PostBody, PostName, RequestBody, RequestName } from './messages.ts';
import type { Range } from './mover-window.ts';
import type { MoverOrder, MoverProgress, MoverReport } from './server-ports.ts';
import type { ClassChoice, ClassOffer, NameEntry, Pval } from './structures.ts';

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

export interface MoverMachine {
  readonly state: number;
  readonly mode: number;
  readonly pauseReason: number;
  readonly haltReason: number;
  /** 0 until it is set; it outlives MOVER_STOP. */
  readonly recordSize: number;
  /** Undefined until it is set, and again after MOVER_STOP. */
  readonly window: Range | undefined;
  /** Set since the last time that bytes moved. */
  readonly windowIsNew: boolean;
  readonly seekPosition: bigint;
  readonly address: NdmpAddress;
  /** The mover's count when it last became active: tells whether it wrote since. */
  readonly bytesMovedBefore: bigint;
}

/** A connection has one device at most. */
export type DeviceSlot =
  | { readonly kind: 'none' }
  | { readonly kind: 'scsi' }
  | {
      readonly kind: 'tape';
      /** TAPE_OPEN_MODE */
      readonly mode: number;
      /** As the drive told it last; 0 for blocks of any size. */
      readonly blockSizeBytes: number;
      /** Data was written and no filemark behind it. */
      readonly isUnmarked: boolean;
      /** The last request was a TAPE_CLOSE whose I/O failed. */
      readonly closeFailed: boolean;
    };

/** Where the negotiation of extensions stands. */
export interface ExtensionState {
  readonly isDiscovered: boolean;
  /** Undefined before SET_EXT_LIST: then the first version of each class is spoken. */
  readonly selected: readonly ClassChoice[] | undefined;
  /** An extension was used, which ends negotiation. */
  readonly isInUse: boolean;
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
  readonly mover: MoverMachine;
  readonly device: DeviceSlot;
  readonly extensions: ExtensionState;
  /** The request whose reply waits for an effect; no other request may be taken until then. */
  readonly owed: Owed | undefined;
}

export interface Owed {
  readonly name: RequestName;
  readonly sequence: number;
  /** The request itself, where its outcome needs it. */
  readonly body?: Record<string, unknown>;
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
  | { do: 'answer'; name: RequestName; body: Record<string, unknown> }
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
  /** What is left of the running operation, where anything tells. */
  readonly remaining?: () => { bytes: bigint; seconds: number } | undefined;
  /** The letter of the v4 draft, instead of what DMAs are used to: ADR 0013. */
  readonly isStrict?: boolean;
  /** The TAPE service with its mover, and the SCSI service: not there unless said otherwise. */
  readonly hasTape?: boolean;
  readonly hasScsi?: boolean;
  /** The mover's counters; needed with `hasTape`. */
  moverProgress?(): MoverProgress;
  /** Extension classes that are offered, the default version first. */
  readonly extensions?: readonly ClassOffer[];
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

export const IDLE_MOVER: MoverMachine = {
  state: MOVER_STATE.idle,
  mode: MOVER_MODE.noAction,
  pauseReason: MOVER_PAUSE.na,
  haltReason: MOVER_HALT.na,
  recordSize: 0,
  window: undefined,
  windowIsNew: false,
  seekPosition: 0n,
  address: { type: 'local' },
  bytesMovedBefore: 0n,
};

/** The state of a connection that was just greeted with `version`. */
export function initialServer(version: NdmpVersion): ServerState {
  return { ...INITIAL_SERVER, version };
}

export const INITIAL_SERVER: ServerState = {
  phase: 'offered',
  version: 4,
  challenge: undefined,
  authFailures: 0,
  data: IDLE_DATA,
  mover: IDLE_MOVER,
  device: { kind: 'none' },
  extensions: { isDiscovered: false, selected: undefined, isInUse: false },
  owed: undefined,
};
