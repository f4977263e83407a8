// Which request is legal in which state: one row a request, one list of states a dialect. "strict" is
// the letter of the v4 draft, "lenient" also lets through what widely deployed DMAs do; ADR 0013 tells
// where the two part.

import { DATA_STATE, MOVER_STATE } from './constants.ts';
import type { NdmpVersion, RequestName } from './messages.ts';

export interface Dialect {
  readonly version: NdmpVersion;
  readonly isStrict: boolean;
}

interface Rule {
  readonly strict: readonly number[];
  /** Where it differs. */
  readonly lenient?: readonly number[];
  /** v2 and v3, where they differ; the first list is the strict one. */
  readonly older?: readonly [readonly number[], readonly number[]];
}

type Rules = Readonly<Partial<Record<RequestName, Rule>>>;

function anyBut(table: Readonly<Record<string, number>>, ...left: number[]): number[] {
  return Object.values(table).filter((state) => !left.includes(state));
}

const DATA: Rules = {
  dataGetState: { strict: anyBut(DATA_STATE) },
  dataListen: { strict: [DATA_STATE.idle] },
  dataConnect: { strict: [DATA_STATE.idle] },
  dataStartBackup: { strict: [DATA_STATE.connected] },
  dataStartRecover: { strict: [DATA_STATE.connected] },
  dataStartRecoverFileHistory: { strict: [DATA_STATE.connected] },
  dataGetEnv: { strict: [DATA_STATE.active, DATA_STATE.halted] },
  dataAbort: { strict: anyBut(DATA_STATE, DATA_STATE.idle) },
  dataStop: { strict: [DATA_STATE.halted] },
};

/** A v2 server makes the connection as part of the start. */
const STARTS: ReadonlySet<RequestName> = new Set<RequestName>([
  'dataStartBackup',
  'dataStartRecover',
  'dataStartRecoverFileHistory',
]);

const { idle, listen, active, paused, halted } = MOVER_STATE;

const MOVER: Rules = {
  moverGetState: { strict: anyBut(MOVER_STATE) },
  moverSetRecordSize: { strict: [idle] },
  moverSetWindow: {
    strict: [idle, paused],
    older: [
      [listen, paused],
      [idle, listen, paused],
    ],
  },
  moverListen: { strict: [idle] },
  moverConnect: { strict: [idle] },
  moverRead: { strict: [active] },
  moverContinue: { strict: [paused] },
  moverClose: { strict: [paused], lenient: [active, paused] },
  moverAbort: { strict: anyBut(MOVER_STATE, idle) },
  moverStop: { strict: [halted] },
};

/** States of the DATA service in which this request is legal; undefined for other services. */
export function dataStates(name: RequestName, dialect: Dialect): readonly number[] | undefined {
  if (dialect.version === 2 && STARTS.has(name)) return [DATA_STATE.idle];
  return statesOf(DATA[name], dialect);
}

/** States of the mover in which this request is legal; undefined for other services. */
export function moverStates(name: RequestName, dialect: Dialect): readonly number[] | undefined {
  return statesOf(MOVER[name], dialect);
}

function statesOf(rule: Rule | undefined, dialect: Dialect): readonly number[] | undefined {
  if (rule === undefined) return undefined;
  if (dialect.version < 4 && rule.older !== undefined) {
    return dialect.isStrict ? rule.older[0] : rule.older[1];
  }
  return dialect.isStrict ? rule.strict : (rule.lenient ?? rule.strict);
}
