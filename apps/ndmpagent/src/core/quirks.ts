// What is known of kinds of filers where the protocol leaves room: a table of data, the first row that fits counts. More rows
// come from modules that configuration names; they stand before these.

export interface FilerIdentity {
  readonly vendor: string;
  readonly product: string;
}

export interface FilerQuirks {
  /** For messages. */
  readonly name: string;
  /** Both are matched against the server's own words, case-insensitively; absent fits all. */
  readonly vendor?: string;
  readonly product?: string;
  /** Takes BASE_DATE and answers DUMP_DATE: then we keep the chain, and its own dump dates do not matter. */
  readonly takesTokens: boolean;
  /** The value of HIST that gives history. */
  readonly history: string;
  /** Order in which backup types are preferred when the policy names none. */
  readonly butypes: readonly string[];
  /** Original path in a name list that stands for the whole backup. */
  readonly wholeName: string;
  /** Restores a directory with everything below it from one entry with direct access. */
  readonly directDirectories: boolean;
}

const COMMON: FilerQuirks = {
  name: 'NDMP server',
  takesTokens: false,
  history: 'y',
  butypes: ['dump', 'tar'],
  wholeName: '',
  directDirectories: false,
};

export const QUIRKS: readonly FilerQuirks[] = [
  // Our own ndmpd and NDMJOB's formatter follow a directory's members from its offset on.
  {
    ...COMMON,
    ...{ name: 'Tapestry ndmpd', vendor: 'tapestry', takesTokens: true, directDirectories: true },
  },
  { ...COMMON, name: 'NDMJOB', product: 'ndmjob', wholeName: '/', butypes: ['tar', 'dump'] },
  { ...COMMON, name: 'ONTAP', vendor: 'netapp', takesTokens: true },
  { ...COMMON, name: 'OneFS', vendor: 'isilon', takesTokens: true, history: 'f' },
  COMMON,
];

/** The first row that fits; the last row of the table fits every server. */
export function quirksOf(identity: FilerIdentity, more: readonly FilerQuirks[] = []): FilerQuirks {
  const fits = (wanted: string | undefined, found: string): boolean =>
    wanted === undefined || found.toLowerCase().includes(wanted.toLowerCase());
  return (
    [...more, ...QUIRKS].find(
      (row) => fits(row.vendor, identity.vendor) && fits(row.product, identity.product),
    ) ?? COMMON
  );
}

/**
 * The backup type to ask for, as the server spells it. A type that the policy names must be offered; without one the
 * planned type is taken if offered, else the preferred of those that are. Undefined: what was named is not offered.
 * A server that offers nothing is believed to know what is asked of it.
 */
export function chooseButype(facts: {
  readonly offered: readonly string[];
  readonly named: string;
  readonly planned: string;
  readonly preferred: readonly string[];
}): string | undefined {
  const { offered, named, planned, preferred } = facts;
  const find = (wanted: string): string | undefined =>
    offered.find((type) => type.toLowerCase() === wanted.toLowerCase());
  if (offered.length === 0) return named || planned || preferred[0];
  if (named !== '') return find(named);
  const candidates = [planned, ...preferred].filter((type) => type !== '');
  return candidates.map(find).find((type) => type !== undefined) ?? offered[0];
}
