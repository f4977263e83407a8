// The filer of a session: its credential for this one grant, its connection, and who answered told in the job's details.

import { attemptKey } from '@tapestry/runtime/fence';
import { fetchAccess } from './adapters/credential.ts';
import { withWords } from './core/outcome.ts';
import type { DataPhase } from './data-phase.ts';
import { type Filer, type OpenFiler, openFiler } from './filer.ts';
import type { AgentParts, SessionContext } from './session-context.ts';

/** A connection within this agent's limits, by its table of filers, and recorded where it records. Errors: see `openFiler`. */
export function openWithin(
  { config, filers, trace }: AgentParts,
  ask: Pick<OpenFiler, 'host' | 'access' | 'handlers' | 'signal' | 'sessionName'>,
): Promise<Filer> {
  const { connectTimeoutMs, callTimeoutMs, versionMax } = config;
  return openFiler({ ...ask, filers, trace, connectTimeoutMs, callTimeoutMs, versionMax });
}

/** Errors: 41, 47, 58 no connection; 99 refused; 902 the grant is over; 2108 no such host. */
export async function openForSession(
  { parts, lease, signal, filerLog }: SessionContext,
  host: string,
  phase: DataPhase,
  local: boolean,
): Promise<Filer> {
  if (local) {
    filerLog.tell('local', `${host} moves the data to and from its own tape`);
    return parts.tapes.lend(lease, host, phase.handlers());
  }
  const access = await fetchAccess(parts.nbemm, lease, host, signal);
  filerLog.tell('connecting', `connecting to NDMP host ${host}`);
  const sessionName = attemptKey(lease.attempt);
  const ask = { host, access, handlers: phase.handlers(), signal, sessionName };
  const filer = await openWithin(parts, ask).catch((error: unknown) => {
    throw withWords(error, filerLog.tail);
  });
  const { vendor, product, revision } = filer.identity;
  const who = [vendor, product, revision].filter((word) => word !== '').join(' ') || 'no name';
  const how = `NDMP version ${filer.version}, ${filer.auth === 'md5' ? 'MD5' : 'text'} log-in`;
  filerLog.tell(
    'connected',
    `connected to ${host} (${who}); ${how}; treated as ${filer.quirks.name}`,
  );
  return filer;
}
