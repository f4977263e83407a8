// The name list and environment of DATA_START_RECOVER from a restore step. Paths are bytes: a filer's names are in any
// encoding.

import type { EnvVar, RestoreEntry, RestoreStep } from '@tapestry/contracts';
import { type NameEntry, textFromBytes, U64_MAX } from '@tapestry/ndmp';
import { lookUp } from './backup-env.ts';
import type { Choice } from './filer-choice.ts';
import type { FilerQuirks } from './quirks.ts';

export interface RecoverPlan {
  readonly names: readonly NameEntry[];
  readonly env: readonly EnvVar[];
  readonly direct: boolean;
  /** For people: why direct access is used or not. */
  readonly why: string;
}

export interface RecoverAsk {
  readonly version: number;
  readonly quirks: FilerQuirks;
  /** Whether the filer can read single entries from their place. */
  readonly direct: Choice<boolean>;
}

const SLASH = 0x2f;

export function planRecover(step: RestoreStep, ask: RecoverAsk): RecoverPlan {
  const { version, quirks } = ask;
  const entries = [...step.entries].sort((a, b) => compare(a.fhInfo, b.fhInfo));
  const { value: direct, why } = decideDirect(step, ask);
  const root = Buffer.from(step.path, 'utf8');
  const isWhole = entries.some(({ originalPath }) => isRoot(root, originalPath));
  return {
    names: entries.map((entry) => nameOf(entry, { root, version, quirks, direct })),
    env: withValues(step.env, {
      FILESYSTEM: lookUp(step.env, 'FILESYSTEM') ?? step.path,
      PREFIX: lookUp(step.env, 'FILESYSTEM') ?? step.path,
      TYPE: lookUp(step.env, 'TYPE') ?? step.butype,
      DIRECT: direct ? 'y' : 'n',
      RECURSIVE: 'y',
      ...quirks.restoreEnv,
      ...recordVariable(step, quirks),
      ...(direct ? quirks.directEnv : {}),
      ...(direct || isWhole ? {} : quirks.selectEnv),
    }),
    ...{ direct, why },
  };
}

/** Some movers of tape hosts serve whole records only: a filer that can ask for such is told how long they are. */
function recordVariable({ fragments }: RestoreStep, { recordEnv }: FilerQuirks) {
  const [first] = fragments;
  if (recordEnv === '' || first?.layout !== 'FRAGMENT_LAYOUT_MOVER') return {};
  return { [recordEnv]: String(first.blockSizeBytes) };
}

/** Direct access needs each entry's offset, and a filer that finds a directory's members by itself. */
function decideDirect(step: RestoreStep, { quirks, direct }: RecoverAsk): Choice<boolean> {
  const no = (why: string): Choice<boolean> => ({ value: false, why });
  const { entries } = step;
  if (!step.directAccess || entries.length === 0) return no('not asked for');
  if (!direct.value) return no(direct.why);
  if (entries.some(({ fhInfo }) => fhInfo === U64_MAX)) return no('the place of some is not known');
  // Some servers say 0 for every entry: one of several can be at the beginning, not all.
  if (entries.length > 1 && entries.every(({ fhInfo }) => fhInfo === 0n)) {
    return no('the filer gave no places');
  }
  if (!quirks.directDirectories && entries.some(({ directory }) => directory)) {
    return no(`${quirks.name} is not asked for directories that way`);
  }
  return direct;
}

function isRoot(root: Buffer, path: Uint8Array): boolean {
  return pathBelow(root, Buffer.from(path)).length === 0;
}

interface NameFacts {
  readonly root: Buffer;
  readonly version: number;
  readonly quirks: FilerQuirks;
  readonly direct: boolean;
}

function nameOf(entry: RestoreEntry, { root, version, quirks, direct }: NameFacts): NameEntry {
  const original = Buffer.from(entry.originalPath);
  const target = Buffer.from(entry.destinationPath.length > 0 ? entry.destinationPath : original);
  const below = pathBelow(root, original);
  const originalPath = below.length === 0 ? quirks.wholeName : textFromBytes(below);
  const unknown = quirks.unknownPlace === 'zero' ? 0n : U64_MAX;
  const place = { node: entry.node, fhInfo: direct ? entry.fhInfo : unknown, otherName: '' };
  const whole = { originalPath, destinationPath: textFromBytes(target), name: '', ...place };
  if (version !== 3 || below.length === 0) return whole;
  const { directory, name } = splitTarget(target, below, quirks.namesV3);
  const parts = { destinationPath: textFromBytes(directory), name: textFromBytes(name) };
  return { originalPath, ...parts, ...place };
}

const NOTHING = Buffer.alloc(0);

/** Version 3 has the target in two parts, and servers differ in how they join them. */
function splitTarget(
  target: Buffer,
  below: Buffer,
  form: FilerQuirks['namesV3'],
): { directory: Buffer; name: Buffer } {
  if (form === 'below') {
    const at = target.length - below.length;
    if (at >= 0 && target.subarray(at).equals(below)) {
      return { directory: target.subarray(0, at), name: NOTHING };
    }
    return { directory: NOTHING, name: target };
  }
  const cut = target.lastIndexOf(SLASH);
  return { directory: target.subarray(0, Math.max(cut, 1)), name: target.subarray(cut + 1) };
}

/** `/vol1/a` below `/vol1` is `/a`; the root itself is empty. What is not below it stays as it is. */
export function pathBelow(root: Buffer, path: Buffer): Buffer {
  const base = trimmed(root);
  const full = trimmed(path);
  if (full.equals(base)) return Buffer.alloc(0);
  const isBelow = full.length > base.length && full.subarray(0, base.length).equals(base);
  return isBelow && full[base.length] === SLASH ? full.subarray(base.length) : full;
}

function trimmed(path: Buffer): Buffer {
  let end = path.length;
  while (end > 0 && path[end - 1] === SLASH) end -= 1;
  return path.subarray(0, end);
}

function withValues(env: readonly EnvVar[], values: Readonly<Record<string, string>>): EnvVar[] {
  const kept = env.filter(({ name }) => !Object.hasOwn(values, name));
  return [...kept, ...Object.entries(values).map(([name, value]) => ({ name, value }))];
}

function compare(a: bigint, b: bigint): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
