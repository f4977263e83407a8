// What a session's work is given: its lease, its log, and the one way to change its state.

import type { Bus, Client } from '@tapestry/bus';
import type { NdmpHandlers } from '@tapestry/ndmp';
import type { Clock, Logger } from '@tapestry/runtime';
import type { Lease } from '@tapestry/runtime/fence';
import type { TracePlace } from './adapters/session-trace.ts';
import type { Config } from './config.ts';
import type { Filers } from './core/quirks.ts';
import type { Session } from './core/session.ts';
import type { Filer } from './filer.ts';
import type { FilerLog } from './filer-log.ts';

/** Which filers refused direct access lately. */
export interface DirectRefusals {
  remember(host: string, nowMs: number): void;
  knows(host: string, nowMs: number): boolean;
}

export interface AgentParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly host: string;
  readonly config: Readonly<Config>;
  /** Folder for spools and file lists under way. */
  readonly workDir: string;
  /** What the operator says of filers. */
  readonly filers: Filers;
  readonly directRefusals: DirectRefusals;
  readonly nbemm: Client<'nbemm'>;
  readonly bpdbm: Client<'bpdbm'>;
  readonly bptm: Client<'bptm'>;
  readonly stopping: AbortSignal;
  readonly trace: TracePlace;
}

/** The open drives of NDMP hosts, whose connections local data operations share. */
export interface TapeLender {
  lend(lease: Lease, host: string, handlers: NdmpHandlers): Promise<Filer>;
  handBack(lease: Lease): void;
}

export interface SessionContext {
  readonly parts: AgentParts & { readonly tapes: TapeLender };
  readonly lease: Lease;
  readonly filerLog: FilerLog;
  /** Aborts with the reason when the session is to end early. */
  readonly signal: AbortSignal;
  readonly session: () => Session;
  /** Changes what watchers see; `durable` also what the next life of the agent knows. */
  update(change: Partial<Session>, durable?: 'durable'): void;
}
