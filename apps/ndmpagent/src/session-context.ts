// What a session's work is given: its lease, its log, and the one way to change its state.

import type { Bus, Client } from '@tapestry/bus';
import type { Clock, Logger } from '@tapestry/runtime';
import type { Lease } from '@tapestry/runtime/fence';
import type { Config } from './config.ts';
import type { FilerQuirks } from './core/quirks.ts';
import type { Session } from './core/session.ts';
import type { FilerLog } from './filer-log.ts';

export interface AgentParts {
  readonly bus: Bus;
  readonly clock: Clock;
  readonly log: Logger;
  readonly host: string;
  readonly config: Readonly<Config>;
  /** Folder for spools and file lists under way. */
  readonly workDir: string;
  readonly quirks: readonly FilerQuirks[];
  readonly nbemm: Client<'nbemm'>;
  readonly bpdbm: Client<'bpdbm'>;
  readonly bptm: Client<'bptm'>;
  readonly stopping: AbortSignal;
}

export interface SessionContext {
  readonly parts: AgentParts;
  readonly lease: Lease;
  readonly filerLog: FilerLog;
  /** Aborts with the reason when the session is to end early. */
  readonly signal: AbortSignal;
  readonly session: () => Session;
  /** Changes what watchers see; `durable` also what the next life of the agent knows. */
  update(change: Partial<Session>, durable?: 'durable'): void;
}
