// What is known of kinds of filers where the protocol leaves room. The knowledge is data (../quirks.json, and what the
// operator adds): a row says only what differs from the defaults, and the first row that fits counts.

import { z } from 'zod';
import table from '../quirks.json' with { type: 'json' };

const env = z.record(z.string(), z.string());

/** What one backup type may need otherwise. */
const typeTraits = {
  /** token: BASE_DATE and DUMP_DATE, the chain is ours; level: LEVEL, and the filer keeps dump dates. */
  chain: z.enum(['token', 'level']),
  /** Variables of the base image that go along with its token. */
  carry: z.array(z.string()),
  /** Value of HIST: y as the filer likes, f paths, d directories and nodes, n none. */
  history: z.enum(['y', 'f', 'd', 'n']),
  /** offered: where the backup type says so, or says nothing. */
  direct: z.enum(['offered', 'always', 'never']),
};

const traits = {
  ...typeTraits,
  /** Order in which backup types are preferred when the policy names none. */
  butypes: z.array(z.string()),
  /** BASE_DATE that begins a chain; empty for filers that begin one with LEVEL=0. */
  chainBegins: z.string(),
  /** Higher levels are asked for as this one: they save more than needed, never less. */
  levelMax: z.number().int().min(0),
  /** Restores a directory with everything below it from one entry with direct access. */
  directDirectories: z.boolean(),
  /** What fh_info says when the place of an entry is not known. */
  unknownPlace: z.enum(['ones', 'zero']),
  /**
   * Targets in a name list of v3. split: directory and new name; below: what the original path is put below, and a new
   * name only where that does not fit.
   */
  namesV3: z.enum(['split', 'below']),
  /** Original path in a name list that stands for the whole backup. */
  wholeName: z.string(),
  /** Variable that makes the filer ask a mover for whole records of so many bytes; empty where it has none. */
  recordEnv: z.string(),
  /** connect: the filer, to our mover. listen: the filer listens, and our mover connects. What is refused is tried the other way. */
  dataConnection: z.enum(['connect', 'listen']),
  /** Set at each backup, at each restore, with direct access, and when names are picked without it. Policies override. */
  ...{ backupEnv: env, restoreEnv: env, directEnv: env, selectEnv: env },
  /** By backup type, in lower case. */
  types: z.record(z.string(), z.strictObject(typeTraits).partial()),
};

/** Matched against the server's own words, case-insensitively; all that are named must be found. */
const match = z
  .strictObject({ vendor: z.string(), product: z.string(), system: z.string() })
  .partial();

const row = z.strictObject({ name: z.string(), match: z.array(match), ...traits });
const partialRow = z
  .strictObject(traits)
  .partial()
  .extend({
    name: z.string(),
    match: z.array(match).min(1),
  });
const host = z
  .strictObject(traits)
  .partial()
  .extend({
    /** Name of a row; no recognising then. */
    treatAs: z.string().optional(),
    /** The highest version to speak: it is settled before a filer says who it is, so rows cannot have it. */
    versionMax: z.literal([2, 3, 4]).optional(),
  });

/** What an operator may add: rows that stand before ours, and what is special about single hosts. */
export const filersSchema = z.strictObject({
  rows: z.array(partialRow).default([]),
  hosts: z.record(z.string(), host).default({}),
});

export type Filers = z.infer<typeof filersSchema>;
export type FilerQuirks = z.infer<typeof row>;

export interface FilerIdentity {
  readonly vendor: string;
  readonly product: string;
  /** Type of the operating system, from the host's information. */
  readonly system: string;
}

export interface Recognised {
  readonly quirks: FilerQuirks;
  /** For people: by what it was recognised. */
  readonly why: string;
  /** Keys that are set for this host alone. */
  readonly own: readonly string[];
}

const BUILT_IN = z.strictObject({ defaults: row, rows: z.array(partialRow) }).parse(table);
const DEFAULTS = BUILT_IN.defaults;
export const NO_FILERS: Filers = { rows: [], hosts: {} };

/** How this filer is treated. A host that is told what to be treated as needs no recognising. */
export function quirksOf(
  identity: FilerIdentity,
  hostName = '',
  { rows, hosts }: Filers = NO_FILERS,
): Recognised {
  const { treatAs, versionMax: _, ...special } = hosts[hostName] ?? {};
  const all = [...rows, ...BUILT_IN.rows];
  const named = all.find(({ name }) => name.toLowerCase() === treatAs?.toLowerCase());
  const found = named ?? all.find((each) => each.match.some((words) => fits(words, identity)));
  const base = merged(DEFAULTS, found ?? {});
  const because =
    named === undefined ? recognisedBy(identity, found !== undefined) : 'as configured';
  const own = Object.keys(defined(special));
  const extra = own.length === 0 ? '' : ', with settings of its own';
  return { quirks: merged(base, special), why: `${because}${extra}`, own };
}

/** Hosts that are told to be treated as what no row is called, in words. */
export function unknownTreatments({ rows, hosts }: Filers): string[] {
  const known = [...rows, ...BUILT_IN.rows].map(({ name }) => name.toLowerCase());
  return Object.entries(hosts).flatMap(([name, { treatAs }]) =>
    treatAs === undefined || known.includes(treatAs.toLowerCase())
      ? []
      : [`${name}: there is no ${treatAs}`],
  );
}

/** The highest version to speak with a host; undefined when nothing is said of it. */
export function versionMaxOf(hostName: string, { hosts }: Filers): 2 | 3 | 4 | undefined {
  return hosts[hostName]?.versionMax;
}

/** The same filer's treatment for one backup type. */
export function forType(quirks: FilerQuirks, butype: string): FilerQuirks {
  return { ...quirks, ...defined(quirks.types[butype.toLowerCase()] ?? {}) };
}

function fits(words: z.infer<typeof match>, identity: FilerIdentity): boolean {
  const wanted = Object.entries(words) as [keyof FilerIdentity, string][];
  return wanted.every(([key, text]) => identity[key].toLowerCase().includes(text.toLowerCase()));
}

function recognisedBy({ vendor, product, system }: FilerIdentity, isKnown: boolean): string {
  const said = [vendor, product, system].filter((word) => word !== '').join(', ');
  if (said === '') return 'it does not say who it is';
  return isKnown ? `it says: ${said}` : `not known: ${said}`;
}

type Special = { [K in keyof FilerQuirks]?: FilerQuirks[K] | undefined };

function merged(base: FilerQuirks, special: Special): FilerQuirks {
  const types = { ...base.types, ...special.types };
  return { ...base, ...defined(special), types } as FilerQuirks;
}

function defined<T extends object>(value: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  const pairs = Object.entries(value).filter(([, each]) => each !== undefined);
  return Object.fromEntries(pairs) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
