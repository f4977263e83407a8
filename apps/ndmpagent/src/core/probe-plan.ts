// What a session would do with a filer, in words for people: the choices that sessions make, each with its reason.

import { ADDR_TYPE } from '@tapestry/ndmp';
import type { StatusError } from '@tapestry/status';
import {
  chooseButype,
  dataConnectionFor,
  directFor,
  historyFor,
  type LogIn,
  type OfferedType,
} from './filer-choice.ts';
import { type FilerQuirks, forType } from './quirks.ts';

export interface KnownFiler {
  readonly version: number;
  readonly quirks: FilerQuirks;
  readonly recognised: string;
  readonly own: readonly string[];
  readonly butypes: readonly OfferedType[];
  readonly connectionTypes: readonly number[] | undefined;
  readonly auth: LogIn;
}

const HISTORY: Readonly<Record<FilerQuirks['history'], string>> = {
  y: 'as the filer likes (HIST=y)',
  f: 'by path (HIST=f)',
  d: 'by directories and nodes (HIST=d)',
  n: 'none (HIST=n): restores of single files are not possible',
};

export interface PlanFact {
  readonly group: string;
  readonly name: string;
  readonly value: string;
}

export function planFacts(filer: KnownFiler): PlanFact[] {
  const { quirks, butypes } = filer;
  const fact = (name: string, value: string): PlanFact => ({ group: 'we use', name, value });
  const offered = butypes.map(({ name }) => name);
  const butype = chooseButype({ offered, named: '', planned: '', preferred: quirks.butypes });
  const type = butype ?? '';
  const history = historyFor(quirks, type, butypes);
  const direct = directFor(quirks, type, butypes);
  return [
    fact('profile', `${quirks.name}; ${filer.recognised}`),
    fact('NDMP version', `${filer.version}; the highest that both sides take`),
    fact('log-in', loginText(filer.auth)),
    fact('backup type', `${type}; ${typeText(type, offered, quirks)}`),
    fact('history', `${HISTORY[history.value]}; ${history.why}`),
    fact('direct access', `${direct.value ? 'yes' : 'no'}; ${direct.why}`),
    fact('directories', directoriesText(quirks, direct.value)),
    fact('incrementals', chainText(forType(quirks, type))),
    fact('data', dataText(filer)),
    ...envFacts(quirks).map(([name, value]) => fact(name, value)),
  ];
}

function loginText(auth: LogIn): string {
  return auth === 'md5' ? 'MD5; the password is not sent' : 'clear text; MD5 is not to be had';
}

function typeText(type: string, offered: readonly string[], { butypes, name }: FilerQuirks) {
  if (offered.length === 0) return 'the filer lists none: it is tried';
  if (!butypes.some((each) => each.toLowerCase() === type.toLowerCase())) return 'the first listed';
  return `the first of ${butypes.join(', ')} (${name}) that is listed; SET TYPE=… in a policy chooses another`;
}

function directoriesText({ directDirectories, name }: FilerQuirks, direct: boolean): string {
  if (!direct) return 'read from the whole image';
  return directDirectories
    ? 'with direct access, by one entry each'
    : `read from the whole image; ${name} is not asked for them otherwise`;
}

function chainText({ chain, levelMax }: FilerQuirks): string {
  return chain === 'token'
    ? 'by tokens (BASE_DATE); we keep the chain, without a limit'
    : `by levels up to ${levelMax}; the filer keeps dump dates`;
}

const WAYS = {
  connect: 'the filer connects to this media server over TCP',
  listen: 'the filer listens, and this media server connects to it over TCP',
} as const;

function dataText(filer: KnownFiler): string {
  const { connectionTypes, version } = filer;
  try {
    const { value, why } = dataConnectionFor({ ...filer, host: 'this host' });
    const unsaid = connectionTypes?.includes(ADDR_TYPE.tcp) === true ? [] : ['it lists no TCP'];
    const other = version > 2 ? ['what it refuses is tried the other way round'] : [];
    return [WAYS[value], why, ...unsaid, ...other].join('; ');
  } catch (error) {
    return `impossible; ${(error as StatusError).detail}`;
  }
}

function envFacts({ backupEnv, restoreEnv, directEnv, selectEnv }: FilerQuirks) {
  const groups = {
    'set at backup': backupEnv,
    'set at restore': restoreEnv,
    'set with direct access': directEnv,
    'set for picked names': selectEnv,
  };
  return Object.entries(groups)
    .map(([name, env]): [string, string] => [
      name,
      Object.entries(env)
        .map(([key, value]) => `${key}=${value}`)
        .join(' '),
    ])
    .filter(([, text]) => text !== '');
}
