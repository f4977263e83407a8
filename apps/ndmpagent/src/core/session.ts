// The state of one NDMP session as bpbrm sees it, and as it is kept: what follows a well-ended data phase can be done again
// after a crash, a data phase cannot.

import type { EnvVar, FileListRef, SessionPhase } from '@tapestry/contracts';
import type { StatusName } from '@tapestry/status';

export interface SessionFailure {
  readonly status: StatusName;
  readonly detail: string;
  /** Name of the sub-reason; "unknown" when nothing tells. */
  readonly reason: string;
}

export interface Session {
  readonly phase: SessionPhase;
  readonly bytes: bigint;
  readonly files: bigint;
  readonly filesFailed: bigint;
  readonly halted: boolean;
  readonly haltedBytes: bigint;
  readonly env: readonly EnvVar[];
  readonly butype: string;
  readonly path: string;
  readonly fileList: FileListRef | null;
  readonly failure: SessionFailure | null;
}

export const NEW_SESSION: Session = {
  phase: 'SESSION_PHASE_CONNECTING',
  ...{ bytes: 0n, files: 0n, filesFailed: 0n, halted: false, haltedBytes: 0n },
  ...{ env: [], butype: '', path: '', fileList: null, failure: null },
};

export function isOver({ phase }: Session): boolean {
  return phase === 'SESSION_PHASE_DONE' || phase === 'SESSION_PHASE_FAILED';
}

/** What a session that was running when the agent died becomes. */
export function afterRestart(session: Session): 'over' | 'catalog' | 'failed' {
  if (isOver(session)) return 'over';
  // The filer ended well and all it said is on the disk: only the file list is still to be made.
  return session.halted ? 'catalog' : 'failed';
}
