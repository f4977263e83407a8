// Reads the environment of DATA_START_*: which variables this server honours, and what is wrong with
// them. Unknown variables never fail a start; they are kept and returned as they came.

import { bytesFromText, type Pval } from '@tapestry/ndmp';
import { type Export, type ExportPath, locate, showPath } from './export-path.ts';
import { splitPatterns } from './path-patterns.ts';

export type HistoryForm = 'none' | 'file' | 'dir';

export interface BackupRequest {
  readonly root: ExportPath;
  readonly history: HistoryForm;
  readonly base: BackupBase;
  /** Remember this backup in the dump dates once the DMA stops the operation. */
  readonly update: boolean;
  /** Name of the series of levels and tokens: DMP_NAME, else the path. */
  readonly series: string;
  readonly selection: BackupSelection;
}

/** Which names below the root are saved; patterns as latin1 strings, one character a byte. */
export interface BackupSelection {
  readonly exclude: readonly string[];
  /** Empty for everything. */
  readonly include: readonly string[];
}

/** What "changed" is measured against. */
export type BackupBase =
  | { kind: 'full' }
  /** The DMA keeps the chain; 0 at its start, which is a full backup. */
  | { kind: 'token'; dateNs: bigint }
  | { kind: 'level'; level: number };

export interface RecoverRequest {
  readonly filesystem: string;
  readonly prefix: string;
  readonly direct: boolean;
  readonly recursive: boolean;
  /** Remove what an incremental no longer lists, so that a chain ends in exactly the saved tree. */
  readonly removeGone: boolean;
  /** Length of the image when the saved environment tells. */
  readonly imageBytes: bigint | undefined;
  /** Ask the mover for ranges on multiples of this; 1 when it can serve any. */
  readonly readAlignBytes: number;
}

export interface EnvError {
  readonly error: string;
}

export const FORMAT_VARIABLE = 'TAPESTRY_FORMAT';
export const FORMAT = 'pax-1';
export const IMAGE_BYTES_VARIABLE = 'TAPESTRY_IMAGE_BYTES';
export const FILES_FAILED_VARIABLE = 'TAPESTRY_FILES_FAILED';

/** The last of several equal names counts. */
export function lookUp(env: readonly Pval[], name: string): string | undefined {
  return env.findLast((pair) => pair.name === name)?.value;
}

/** Sets variables, replacing every earlier pair of the same name. */
export function withVariables(
  env: readonly Pval[],
  values: Readonly<Record<string, string>>,
): Pval[] {
  const kept = env.filter((pair) => !(pair.name in values));
  return [...kept, ...Object.entries(values).map(([name, value]) => ({ name, value }))];
}

/** `butype` decides what HIST=y means where the DMA leaves the form to the server. */
export function parseBackupEnv(
  env: readonly Pval[],
  butype: string,
  exports: readonly Export[],
): BackupRequest | EnvError {
  const filesystem = lookUp(env, 'FILESYSTEM') ?? lookUp(env, 'PREFIX');
  if (filesystem === undefined) return { error: 'FILESYSTEM is missing' };
  const root = locate(exports, filesystem);
  if (root === undefined) return { error: `FILESYSTEM ${filesystem} is not in any export` };
  const history = parseHistory(lookUp(env, 'HIST'), butype === 'dump' ? 'dir' : 'file');
  if (history === undefined) return { error: `HIST=${lookUp(env, 'HIST')} is not y, n, f or d` };
  const base = parseBase(env);
  if ('error' in base) return base;
  const update = isTrue(lookUp(env, 'UPDATE'), true);
  const series = lookUp(env, 'DMP_NAME') ?? showPath(root);
  return { root, history, base, update, series, selection: parseSelection(env) };
}

/** Lists come as one value or as several of one name; both are in the field. */
function parseSelection(env: readonly Pval[]): BackupSelection {
  const listed = (...names: string[]): string[] =>
    env
      .filter(({ name }) => names.includes(name))
      .flatMap(({ value }) => splitPatterns(bytesFromText(value).toString('latin1')));
  // Subtrees are named from the root; a pattern without a slash would match at any depth.
  const subtrees = listed('MULTI_SUBTREE_NAMES').map((path) => `/${path}`);
  return { exclude: listed('EXCLUDE'), include: [...listed('FILES', 'INCLUDE'), ...subtrees] };
}

function parseHistory(value: string | undefined, own: HistoryForm): HistoryForm | undefined {
  const first = (value ?? 'n').toLowerCase();
  if (['y', 'yes', 't', 'true', '1'].includes(first)) return own;
  if (['f', 'file'].includes(first)) return 'file';
  if (['d', 'dir'].includes(first)) return 'dir';
  return ['n', 'no', 'false', '0', ''].includes(first) ? 'none' : undefined;
}

/** A token wins over a level; BASE_DATE -1 switches tokens off, 0 starts a chain. */
function parseBase(env: readonly Pval[]): BackupBase | EnvError {
  const token = lookUp(env, 'BASE_DATE');
  if (token !== undefined && token !== '' && token !== '-1') {
    if (!/^\d{1,20}$/.test(token)) return { error: `BASE_DATE=${token} is no DUMP_DATE of mine` };
    return { kind: 'token', dateNs: BigInt(token) };
  }
  const level = lookUp(env, 'LEVEL') ?? '0';
  if (!/^[0-9]$/.test(level || '0')) return { error: `LEVEL=${level} is not 0 to 9` };
  return Number(level) === 0 ? { kind: 'full' } : { kind: 'level', level: Number(level) };
}

export function parseRecoverEnv(env: readonly Pval[]): RecoverRequest | EnvError {
  const format = lookUp(env, FORMAT_VARIABLE);
  if (format !== undefined && format !== FORMAT) {
    return { error: `the image has format ${format}, this server reads ${FORMAT}` };
  }
  const filesystem = lookUp(env, 'FILESYSTEM') ?? '';
  const imageBytes = lookUp(env, IMAGE_BYTES_VARIABLE);
  const align = Number(lookUp(env, 'DR_ALIGN') ?? '1');
  return {
    filesystem,
    prefix: lookUp(env, 'PREFIX') ?? filesystem,
    direct: isTrue(lookUp(env, 'DIRECT'), false),
    recursive: isTrue(lookUp(env, 'RECURSIVE'), true),
    removeGone: isFalse(lookUp(env, 'EXTRACT')),
    imageBytes:
      imageBytes !== undefined && /^\d+$/.test(imageBytes) ? BigInt(imageBytes) : undefined,
    readAlignBytes: Number.isSafeInteger(align) && align >= 1 ? align : 1,
  };
}

function isTrue(value: string | undefined, missing: boolean): boolean {
  if (value === undefined) return missing;
  return ['y', 'yes', 't', 'true', '1'].includes(value.toLowerCase());
}

/** Said in so many words: a value that means neither is not a "no". */
function isFalse(value: string | undefined): boolean {
  return ['n', 'no', 'f', 'false', '0'].includes((value ?? '').toLowerCase());
}
