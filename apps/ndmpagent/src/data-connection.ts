// The data connection of a session: the filer connects to our mover, or it listens and our mover connects to it. Which
// comes first is a choice for each filer; what the filer refuses is tried the other way round. In v2 the start connects.

import type { Address, DataPath } from '@tapestry/contracts';
import {
  ADDR_TYPE,
  DATA_STATE,
  endpointsOf,
  type NdmpAddress,
  type TcpEndpoint,
} from '@tapestry/ndmp';
import { refOf } from '@tapestry/runtime/fence';
import { pause, untilAnswered } from '@tapestry/runtime/until-answered';
import { asStatusError, StatusError } from '@tapestry/status';
import { type DataFamily, endpointsOfFamily, familyWanted } from './core/data-family.ts';
import {
  bothFailed,
  dialFailure,
  mayTurnAround,
  untakenFailure,
  wayFailure,
} from './core/data-outcome.ts';
import { dataConnectionFor } from './core/filer-choice.ts';
import { callFailure } from './core/outcome.ts';
import type { DataStart } from './data-start.ts';
import type { Filer } from './filer.ts';
import { knownEndpoints, moverEndpoints } from './mover-endpoints.ts';

/** bptm dials for less than a minute; after a restart it may have to be asked again. */
const MOVER_MAX_MS = 120_000;
/** A filer takes our connection some time after it stands, and tells nobody. */
const TAKEN_MAX_MS = 10_000;
const TAKEN_POLL_MS = 100;
/** bptm itself is away: what it answers has other names. */
const AWAY: ReadonlySet<string> = new Set(['cannotConnect', 'connectTimedOut', 'networkBroken']);

/** Where the mover is: on this media server, on the filer itself, or on another NDMP host. */
export interface MoverPlace {
  readonly dataPath: DataPath;
  readonly moverAddresses: readonly Address[];
}

/** Errors: 47 no address of a family that the filer takes; 46, 58 our mover cannot connect to the filer; 99, 2813 the filer refuses. */
export async function connectData(start: DataStart, place: MoverPlace): Promise<void> {
  const { dataPath, moverAddresses: movers } = place;
  if (dataPath === 'DATA_PATH_LOCAL') return connectLocally(start);
  if (dataPath === 'DATA_PATH_THREE_WAY') {
    return filerConnects(start, movers, 'there is its tape', 'the tape host');
  }
  const { filer, host, context } = start;
  const { value, why } = dataConnectionFor({ ...filer, host });
  const first = value === 'connect' ? filerConnects : filerListens;
  const second = value === 'connect' ? filerListens : filerConnects;
  try {
    await first(start, movers, why);
  } catch (error) {
    const failure = asStatusError(error);
    if (!mayTurnAround(failure)) throw error;
    const { filerLog, signal } = context;
    const other = value === 'connect' ? 'listen' : 'connect';
    const text = `${failure.detail}: trying it the other way round`;
    const hint = `dataConnection "${other}" for ${host} would begin with that`;
    filerLog.tell('data-refused', `${text}; ${hint}`, 'warning');
    // What was said about it explains nothing that follows.
    filerLog.forgetTail();
    await second(start, movers, `${host} refused the other way`).catch((again: unknown) => {
      signal.throwIfAborted();
      throw bothFailed(failure, asStatusError(again));
    });
  }
}

async function connectLocally({ filer, host, isRestore, context }: DataStart): Promise<void> {
  const { filerLog, signal } = context;
  await filer.client.dataConnect({ type: 'local' }, { signal }).catch((error: unknown) => {
    const doing = 'connect its data service to its own tape';
    throw callFailure(error, { host, doing, logTail: filerLog.tail, isRestore });
  });
}

async function filerConnects(
  { filer, host, isRestore, context }: DataStart,
  movers: readonly Address[],
  why: string,
  whom = 'this media server',
): Promise<void> {
  const { filerLog, signal, parts } = context;
  const all = await moverEndpoints(movers);
  const type = await familyFor(filer, all);
  const endpoints = endpointsOfFamily(all, type, { host, version: filer.version });
  const where = placesOf(endpoints);
  filerLog.tell('data-connect', `data: ${host} connects to ${whom} at ${where}; ${why}`);
  const timeoutMs = parts.config.dataConnectTimeoutMs;
  await filer.client
    .dataConnect({ type, endpoints }, { timeoutMs, signal })
    .catch((error: unknown) => {
      const doing = `connect to ${whom} at ${where}`;
      throw wayFailure(error, { host, doing, logTail: filerLog.tail, isRestore });
    });
}

async function filerListens(
  start: DataStart,
  movers: readonly Address[],
  why: string,
): Promise<void> {
  const { filer, host, isRestore, context } = start;
  const { filerLog, signal } = context;
  const doing = 'listen for the data connection';
  const type = await familyFor(filer, await knownEndpoints(movers));
  const listening = await filer.client
    .dataListen(ADDR_TYPE[type], { signal })
    .catch((error: unknown) => {
      throw wayFailure(error, { host, doing, logTail: filerLog.tail, isRestore });
    });
  const addresses = addressesOf(listening);
  const where = placesOf(addresses);
  const text = `data: ${host} listens at ${where || 'no place that it names'}`;
  filerLog.tell('data-listen', `${text}, and this media server connects to it; ${why}`);
  await dialFiler(start, addresses);
  await untilTaken(start);
}

async function familyFor(filer: Filer, movers: readonly TcpEndpoint[]): Promise<DataFamily> {
  const wanted = familyWanted({ isReachedOverIpv6: filer.socket.isIpv6, movers });
  return wanted === 'tcp6' && (await filer.agreesOnIpv6()) ? 'tcp6' : 'tcp';
}

function addressesOf(address: NdmpAddress): Address[] {
  return endpointsOf(address).map(({ host, port }) => ({ host, port }));
}

function placesOf(addresses: readonly Address[]): string {
  return addresses.map(({ host, port }) => `${host} port ${port}`).join(', ');
}

/** bptm decides which of the addresses are the filer's. A repeat after a lost answer dials no second time. */
async function dialFiler({ context, host }: DataStart, addresses: Address[]): Promise<void> {
  const { parts, lease, signal } = context;
  const grant = refOf(lease);
  const tooLong = AbortSignal.timeout(MOVER_MAX_MS);
  try {
    await untilAnswered(
      (call) => parts.bptm.ConnectStream({ grant, sequence: 1, addresses }, { signal: call }),
      { signal: AbortSignal.any([signal, tooLong]), isAnswer: ({ status }) => !AWAY.has(status) },
    );
  } catch (error) {
    signal.throwIfAborted();
    const failure = tooLong.aborted
      ? new StatusError('connectTimedOut', 'bptm does not answer')
      : asStatusError(error);
    throw dialFailure(failure, host);
  }
}

/** Before the filer has taken the connection, it refuses a start. */
async function untilTaken({ filer, host, isRestore, context }: DataStart): Promise<void> {
  const { filerLog, signal, parts } = context;
  const endMs = parts.clock.nowMs() + TAKEN_MAX_MS;
  while (parts.clock.nowMs() < endMs) {
    const { state, haltReason } = await filer.client.getState({ signal }).catch((error) => {
      const doing = 'take the connection of this media server';
      throw callFailure(error, { host, doing, logTail: filerLog.tail, isRestore });
    });
    if (state === DATA_STATE.connected) return;
    if (state !== DATA_STATE.listen) {
      throw untakenFailure({ host, isRestore, logTail: filerLog.tail, haltReason });
    }
    await pause(TAKEN_POLL_MS, signal);
  }
  const text = `${host} does not say that it took the connection of this media server`;
  filerLog.tell('untaken', `${text}: the start is tried all the same`, 'warning');
}
