// Turns DATA_START_* into an order for the data worker, or into the reason why not. Dump dates come in
// as facts; the clock's answer comes in as nowNs.

import { DATA_OPERATION, type NameEntry, NDMP_ERROR, type Pval } from '@tapestry/ndmp';
import type { BackupOrder, IncrementalBase, RecoverOrder } from './data-protocol.ts';
import { type Export, showPath } from './export-path.ts';
import {
  type BackupRequest,
  lookUp,
  parseBackupEnv,
  parseRecoverEnv,
  withVariables,
} from './operation-env.ts';

/**
 * Both names stand for one stream. A DMA that knows `dump` expects levels and history by inode, one that
 * knows `tar` history by path; HIST=y gives each what it expects.
 */
export const BUTYPES: readonly string[] = ['tar', 'dump'];
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
  /** The newest backup in a series at a level below this one. */
  baseOf(series: string, level: number): BaseRecord | undefined;
  /** Stream bytes of the last backup of a series of this kind: what the next one is expected to have. */
  sizeOf(series: string, kind: BackupKind): bigint | undefined;
  /** The backup of a series that returned this DUMP_DATE. */
  tokenOf(series: string, dateNs: bigint): BaseRecord | undefined;
}

export type BackupKind = 'full' | 'incremental';

/** What is remembered of a backup that later ones build on. */
export interface BaseRecord {
  readonly dateNs: bigint;
  /** EXCLUDE and FILES as they were. */
  readonly selection: string;
  /** See core/directory-set.ts; undefined when it is no longer kept. */
  readonly directories: Uint8Array | undefined;
}

export interface Plan {
  readonly order: BackupOrder | RecoverOrder;
  /** What DATA_GET_ENV returns from now on. */
  readonly env: readonly Pval[];
  /** Sent as LOG_MESSAGE when the operation starts. */
  readonly notes: readonly string[];
  /** For the DMA's progress; undefined when nothing tells. */
  readonly expectedBytes: bigint | undefined;
  /** To be remembered when the backup succeeded and the DMA stopped it. */
  readonly dumpDate: DumpDate | undefined;
}

export interface DumpDate {
  readonly series: string;
  /** Undefined for a backup that only a token can build on. */
  readonly level: number | undefined;
  readonly dateNs: bigint;
  readonly selection: string;
  readonly kind: BackupKind;
}

export interface PlanRefusal {
  readonly error: number;
  readonly text: string;
}

export function planOperation(request: StartRequest, facts: PlanFacts): Plan | PlanRefusal {
  if (!BUTYPES.includes(request.butype.toLowerCase())) {
    return refuse(`backup type ${request.butype} is not known, ${BUTYPES.join(' and ')} are`);
  }
  if (request.operation === DATA_OPERATION.backup) return planBackup(request, facts);
  return planRecover(request, facts);
}

function refuse(text: string): PlanRefusal {
  return { error: NDMP_ERROR.illegalArgs, text };
}

function planBackup(request: StartRequest, facts: PlanFacts): Plan | PlanRefusal {
  const butype = request.butype.toLowerCase();
  const parsed = parseBackupEnv(request.env, butype, facts.exports);
  if ('error' in parsed) return refuse(parsed.error);
  const selection = JSON.stringify(parsed.selection);
  const { level, base, notes } = resolveBase(parsed, selection, facts);
  const shownRoot = showPath(parsed.root);
  const dateNs = facts.nowNs - CLOCK_LAG_NS;
  const env = withVariables(request.env, {
    FILESYSTEM: lookUp(request.env, 'FILESYSTEM') ?? shownRoot,
    TYPE: butype,
    HIST: { none: 'n', file: 'f', dir: 'd' }[parsed.history],
    LEVEL: String(level),
    PATHNAME_SEPARATOR: '/',
    DUMP_DATE: String(dateNs),
  });
  const kind = base === undefined ? 'full' : 'incremental';
  const isLevel = parsed.update && parsed.base.kind !== 'token';
  return {
    order: {
      type: 'backup',
      exportDirectory: parsed.root.export.directory,
      shownRoot,
      components: parsed.root.components,
      history: parsed.history,
      ...parsed.selection,
      base,
    },
    env,
    notes,
    expectedBytes: facts.sizeOf(parsed.series, kind),
    dumpDate: {
      series: parsed.series,
      level: isLevel ? level : undefined,
      dateNs,
      selection,
      kind,
    },
  };
}

interface ResolvedBase {
  readonly level: number;
  readonly base: IncrementalBase | undefined;
  readonly notes: readonly string[];
}

/**
 * A level without any lower one on record is a full backup. An incremental whose base cannot be compared
 * with saves everything too, but tells what is gone: the chain stays exact. Either says so.
 */
function resolveBase(
  { base, series }: BackupRequest,
  selection: string,
  facts: PlanFacts,
): ResolvedBase {
  const isFull = base.kind === 'full' || (base.kind === 'token' && base.dateNs === 0n);
  if (isFull) return { level: 0, base: undefined, notes: [] };
  const everything: IncrementalBase = { sinceNs: undefined, directories: undefined };
  const found =
    base.kind === 'token' ? facts.tokenOf(series, base.dateNs) : facts.baseOf(series, base.level);
  if (base.kind === 'level' && found === undefined) {
    const note = `no backup of ${series} below level ${base.level} is on record: full backup`;
    return { level: 0, base: undefined, notes: [note] };
  }
  const level = base.kind === 'level' ? base.level : 0;
  if (found?.directories === undefined) {
    const note = `what ${series} held at its base is no longer on record: everything is saved`;
    return { level, base: everything, notes: [note] };
  }
  if (found.selection !== selection) {
    const note = `EXCLUDE or FILES of ${series} differ from those of its base: everything is saved`;
    return { level, base: everything, notes: [note] };
  }
  const { dateNs, directories } = found;
  return { level, base: { sinceNs: dateNs, directories }, notes: [] };
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
      removeGone: parsed.removeGone,
      imageBytes: parsed.imageBytes,
      readAlignBytes: parsed.readAlignBytes,
      listOnly,
      history: listOnly ? historyForm : 'none',
    },
    env: request.env,
    notes: [],
    // By direct access only a part of the image is read, and how much shows only as it goes.
    expectedBytes: parsed.direct ? undefined : parsed.imageBytes,
    dumpDate: undefined,
  };
}

/** Some DMAs send no list at all when they mean everything. */
function namesOrAll(request: StartRequest, prefix: string): readonly NameEntry[] {
  if (request.names.length > 0) return request.names;
  const all = { originalPath: '', destinationPath: prefix, name: '', otherName: '' };
  return [{ ...all, node: 0n, fhInfo: 0xffff_ffff_ffff_ffffn }];
}
