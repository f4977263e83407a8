// What we will do with a filer, and why: log-in, backup type, form of history, direct access. Sessions act on it, a probe
// shows it, so both say the same.

import { ADDR_TYPE, AUTH_TYPE, BUTYPE_ATTR } from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';
import { type FilerQuirks, forType } from './quirks.ts';

export interface OfferedType {
  readonly name: string;
  /** BUTYPE_ATTR; 0 when the filer does not say. */
  readonly attrs: number;
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

export interface Choice<T> {
  readonly value: T;
  readonly why: string;
}

function attrsOf(offered: readonly OfferedType[], butype: string): number {
  return offered.find(({ name }) => name.toLowerCase() === butype.toLowerCase())?.attrs ?? 0;
}

/** The value of HIST for this type. */
export function historyFor(
  quirks: FilerQuirks,
  butype: string,
  offered: readonly OfferedType[],
): Choice<FilerQuirks['history']> {
  const { history, name } = forType(quirks, butype);
  const attrs = attrsOf(offered, butype);
  const hasFile = (attrs & BUTYPE_ATTR.backupHistoryFile) !== 0;
  const hasDir = (attrs & BUTYPE_ATTR.backupHistoryDir) !== 0;
  if (history === 'n') return { value: 'n', why: `type ${butype} of ${name} has none` };
  if (history === 'f' && !hasFile && hasDir) {
    return { value: 'd', why: `type ${butype} offers directories and nodes alone` };
  }
  if (history === 'd' && !hasDir && hasFile) {
    return { value: 'f', why: `type ${butype} offers paths alone` };
  }
  return { value: history, why: `usual for ${name}` };
}

/** Whether single files are read from their place in the image. */
export function directFor(
  quirks: FilerQuirks,
  butype: string,
  offered: readonly OfferedType[],
): Choice<boolean> {
  const { direct, name } = forType(quirks, butype);
  if (direct === 'never') return { value: false, why: `type ${butype} of ${name} has none` };
  if (direct === 'always') return { value: true, why: `always for ${name}` };
  const attrs = attrsOf(offered, butype);
  if (attrs === 0) return { value: true, why: `${name} does not say: it is tried` };
  const isOffered = (attrs & BUTYPE_ATTR.recoverDirect) !== 0;
  return { value: isOffered, why: `type ${butype} ${isOffered ? 'offers' : 'lacks'} it` };
}

export type LogIn = 'md5' | 'text';

/**
 * The log-ins to try, in order. MD5 comes first where the server lists it; clear text only where the operator allowed it.
 * `listed` is undefined for a server that does not tell. Error: 99 when it takes clear text alone and that is not allowed.
 */
export function loginOrder(
  host: string,
  allowed: LogIn,
  listed: readonly number[] | undefined,
): readonly LogIn[] {
  const lists = (type: number): boolean => listed?.includes(type) ?? false;
  if (allowed === 'text') {
    if (!lists(AUTH_TYPE.md5)) return ['text'];
    return lists(AUTH_TYPE.text) ? ['md5', 'text'] : ['md5'];
  }
  if (lists(AUTH_TYPE.text) && !lists(AUTH_TYPE.md5)) {
    const cure = `only where the network may see the password: tpconfig -update -nh ${host} -filer_auth text`;
    const detail = `${host} takes passwords in clear text alone, which is not allowed for it; allow it ${cure}`;
    throw new StatusError('ndmpFailed', detail, { reason: 'loginRefused' });
  }
  return ['md5'];
}

export interface DataFacts {
  readonly host: string;
  readonly version: number;
  readonly quirks: FilerQuirks;
  /** Keys that are set for this host alone. */
  readonly own: readonly string[];
  /** ADDR_TYPE; undefined for a filer that does not tell. */
  readonly connectionTypes: readonly number[] | undefined;
}

/** Who is asked first to connect, the filer or our mover. Errors: 99 it cannot be done, with what to do. */
export function dataConnectionFor(facts: DataFacts): Choice<FilerQuirks['dataConnection']> {
  const { host, version, quirks, own, connectionTypes: types } = facts;
  const { dataConnection, name } = quirks;
  const isOwn = own.includes('dataConnection');
  if (dataConnection === 'listen' && version === 2) {
    const where = isOwn ? host : name;
    throw new StatusError(
      'ndmpFailed',
      `${host} is to listen for its data connection, and NDMP version 2, which it speaks, cannot say that: ` +
        `let it speak version 3 or 4, or remove dataConnection of ${where} and open a way from it to this media server`,
      { reason: 'moverUnreachable' },
    );
  }
  if (types !== undefined && types.length > 0 && !types.includes(ADDR_TYPE.tcp)) {
    throw new StatusError(
      'ndmpFailed',
      `${host} offers no TCP data connections, so its data cannot come to this media server`,
      { reason: 'moverUnreachable' },
    );
  }
  return { value: dataConnection, why: isOwn ? `set for ${host}` : `usual for ${name}` };
}
