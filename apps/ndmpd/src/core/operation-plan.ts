// Turns DATA_START_* into an order for the data worker, or into the reason why not. Dump dates come in
// as facts; the clock's answer comes in as nowNs.

import { DATA_OPERATION, type NameEntry, NDMP_ERROR, type Pval } from '@tapestry/ndmp';
import type { BackupOrder, RecoverOrder } from './data-protocol.ts';
import { type Export, showPath } from './export-path.ts';
import {
  type BackupBase,
  type BackupRequest,
  lookUp,
  parseBackupEnv,
  parseRecoverEnv,
  withVariables,
} from './operation-env.ts';

export const BUTYPE = 'tar';
// Kernels stamp files with a clock that lags by a tick: what changed right before the scan must count
// as changed after the date that is remembered.
const CLOCK_LAG_NS = 20_000_000n;

export interface StartRequest {
  readonly operation: number;
  readonly butype: string;
  readonly env: readonly Pval[];
  readonly names: readonly NameEntry[];
}

export interface PlanFacts {
  readonly exports: readonly Export[];
  readonly version: number;
  readonly nowNs: bigint;
  /** Date of the newest backup in a series at a level below this one. */
  baseOf(series: string, level: number): bigint | undefined;
}

export interface Plan {
  readonly order: BackupOrder | RecoverOrder;
  /** What DATA_GET_ENV returns from now on. */
  readonly env: readonly Pval[];
  /** Sent as LOG_MESSAGE when the operation starts. */
  readonly notes: readonly string[];
  /** To be remembered when the backup succeeded and the DMA stopped it. */
  readonly dumpDate: DumpDate | undefined;
}

export interface DumpDate {
  readonly series: string;
  readonly level: number;
  readonly dateNs: bigint;
}

export interface PlanRefusal {
  readonly error: number;
  readonly text: string;
}

export function planOperation(request: StartRequest, facts: PlanFacts): Plan | PlanRefusal {
  if (request.butype.toLowerCase() !== BUTYPE) {
    return refuse(`backup type ${request.butype} is not known, ${BUTYPE} is`);
  }
  if (request.operation === DATA_OPERATION.backup) return planBackup(request, facts);
  return planRecover(request, facts);
}

function refuse(text: string): PlanRefusal {
  return { error: NDMP_ERROR.illegalArgs, text };
}

function planBackup(request: StartRequest, facts: PlanFacts): Plan | PlanRefusal {
  const parsed = parseBackupEnv(request.env, facts.exports);
  if ('error' in parsed) return refuse(parsed.error);
  const { level, sinceNs, note } = resolveBase(parsed, facts);
  const shownRoot = showPath(parsed.root);
  const dateNs = facts.nowNs - CLOCK_LAG_NS;
  const env = withVariables(request.env, {
    FILESYSTEM: lookUp(request.env, 'FILESYSTEM') ?? shownRoot,
    TYPE: BUTYPE,
    HIST: { none: 'n', file: 'f', dir: 'd' }[parsed.history],
    LEVEL: String(level),
    PATHNAME_SEPARATOR: '/',
    DUMP_DATE: String(dateNs),
  });
  const byLevel = parsed.base.kind !== 'token';
  return {
    order: {
      type: 'backup',
      exportDirectory: parsed.root.export.directory,
      shownRoot,
      components: parsed.root.components,
      history: parsed.history,
      sinceNs,
    },
    env,
    notes: note === undefined ? [] : [note],
    dumpDate: parsed.update && byLevel ? { series: parsed.series, level, dateNs } : undefined,
  };
}

interface ResolvedBase {
  level: number;
  sinceNs: bigint | undefined;
  note: string | undefined;
}

/** A level without any lower one on record saves everything, and says so. */
function resolveBase(request: BackupRequest, facts: PlanFacts): ResolvedBase {
  const base: BackupBase = request.base;
  if (base.kind === 'full') return { level: 0, sinceNs: undefined, note: undefined };
  if (base.kind === 'token') return { level: 0, sinceNs: base.sinceNs, note: undefined };
  const sinceNs = facts.baseOf(request.series, base.level);
  if (sinceNs !== undefined) return { level: base.level, sinceNs, note: undefined };
  const note = `no backup of ${request.series} below level ${base.level} is on record: full backup`;
  return { level: 0, sinceNs, note };
}

function planRecover(request: StartRequest, facts: PlanFacts): Plan | PlanRefusal {
  const parsed = parseRecoverEnv(request.env);
  if ('error' in parsed) return refuse(parsed.error);
  const listOnly = request.operation === DATA_OPERATION.recoverFileHistory;
  const historyForm = lookUp(request.env, 'HIST')?.toLowerCase().startsWith('d') ? 'dir' : 'file';
  return {
    order: {
      type: 'recover',
      exports: facts.exports,
      filesystem: parsed.filesystem,
      names: namesOrAll(request, parsed.prefix),
      version: facts.version,
      direct: parsed.direct,
      recursive: parsed.recursive,
      imageBytes: parsed.imageBytes,
      readAlignBytes: parsed.readAlignBytes,
      listOnly,
      history: listOnly ? historyForm : 'none',
    },
    env: request.env,
    notes: [],
    dumpDate: undefined,
  };
}

/** Some DMAs send no list at all when they mean everything. */
function namesOrAll(request: StartRequest, prefix: string): readonly NameEntry[] {
  if (request.names.length > 0) return request.names;
  const all = { originalPath: '', destinationPath: prefix, name: '', otherName: '' };
  return [{ ...all, node: 0n, fhInfo: 0xffff_ffff_ffff_ffffn }];
}
