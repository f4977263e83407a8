// Key groups, keys and the key store, for people and for programs.

import type { Client } from '@tapestry/bus';
import type { Key, KeyGroup, KmsInfo } from '@tapestry/contracts';
import { type Context, requireSome } from '../command.ts';
import { formatDateTime } from '../date-time.ts';
import type { KeyLine } from '../key-line.ts';
import { usage } from '../option-table.ts';
import { fields, table } from './table.ts';

/** False: the line asks to be shown nothing. */
export async function showKeys(
  nbkms: Client<'nbkms'>,
  line: KeyLine,
  context: Context,
): Promise<boolean> {
  if (line.listkgs) {
    const groups = (await nbkms.ListKeyGroups({ name: line.kgname })).groups
      .filter((group) => !line.emptykgs || group.keys === 0)
      .filter((group) => !line.noactive || group.activeTag === '')
      .filter((group) => line.cipher === undefined || group.cipher === line.cipher);
    const { kgname } = line;
    const none =
      kgname === undefined ? 'there is no such key group' : `there is no group ${kgname}`;
    context.out(groupsText(requireSome(groups, none), line));
    return true;
  }
  if (line.listkeys) {
    if (line.kgname === undefined) throw usage('-kgname is needed');
    const request = { group: line.kgname, name: line.keyname, activeOnly: line.activekey };
    const { group, keys } = await nbkms.ListKeys(request);
    if (line.json) context.out(toJson({ group, keys }));
    else {
      if (!line.noverbose && group !== null) context.out(groupText(group));
      context.out(keysText(requireSome(keys, 'there is no such key'), line));
    }
    return true;
  }
  const { ksstats, info, gethmkid, getkpkid } = line;
  if (!ksstats && !info && !gethmkid && !getkpkid) return false;
  const store = await nbkms.GetInfo({});
  if (gethmkid) context.out(`HMK ID: ${store.hmkId}\n`);
  if (getkpkid) context.out(`KPK ID: ${store.kpkId}\n`);
  if (ksstats || info) {
    const { publicKey: _, ...shown } = store;
    context.out(line.json ? toJson(shown) : storeText(store));
  }
  return true;
}

/** Whole numbers beyond what programs can hold stay exact: as text. */
export function toJson(value: object): string {
  const text = (_: string, each: unknown): unknown => {
    if (typeof each !== 'bigint') return each;
    return each <= BigInt(Number.MAX_SAFE_INTEGER) ? Number(each) : String(each);
  };
  return `${JSON.stringify(value, text, 2)}\n`;
}

function groupsText(groups: readonly KeyGroup[], line: KeyLine): string {
  if (line.json) return toJson({ groups, total: groups.length });
  if (!line.noverbose) {
    const count = `Number of Key Groups: ${groups.length}\n`;
    return `${groups.map((group) => `${groupText(group)}\n`).join('')}${count}`;
  }
  const rows = groups.map(({ name, cipher, keys, activeTag }) => [
    ...[name, cipher, String(keys), activeTag === '' ? 'No' : 'Yes'],
  ]);
  const columns = [{ title: 'GROUP' }, { title: 'CIPHER' }, { title: 'KEYS', right: true }];
  return table([...columns, { title: 'ACTIVE KEY' }], rows);
}

export function groupText(group: KeyGroup): string {
  return fields([
    ['Key Group Name', group.name],
    ['Supported Cipher', group.cipher],
    ['Number of Keys', group.keys],
    ['Has Active Key', group.activeTag === '' ? 'No' : 'Yes'],
    ['Creation Time', time(group.createdMs)],
    ['Last Modification Time', time(group.modifiedMs)],
    ['Description', group.description],
  ]);
}

function keysText(keys: readonly Key[], line: KeyLine): string {
  if (line.noverbose) {
    const rows = keys.map(({ name, state, tag }) => [name, state, tag]);
    return table([{ title: 'KEY' }, { title: 'STATE' }, { title: 'TAG' }], rows);
  }
  const text = keys.map((key) => `\n${fields(keyRows(key), 2)}`).join('');
  return `${text}\nNumber of Keys: ${keys.length}\n`;
}

function keyRows(key: Key) {
  const doubts = [
    key.compromised ? 'compromised' : '',
    key.unverified ? 'recovered without proof' : '',
  ].filter((each) => each !== '');
  return [
    ['Key Tag', key.tag],
    ['Key Name', key.name],
    ['Current State', key.state.toUpperCase()],
    ['Creation Time', time(key.createdMs)],
    ['Last Modification Time', time(key.modifiedMs)],
    ['Origin', key.origin],
    ['Derivation Name', key.derivationName],
    ['KDF Profile', key.profile === 0 ? '' : key.profile],
    ['Doubts', doubts.join(', ')],
    ['Description', key.description],
  ] as const;
}

function storeText(store: KmsInfo): string {
  const origin = (fromPassphrase: boolean) => (fromPassphrase ? 'passphrase' : 'random');
  const states = Object.entries(store.byState).filter(([, count]) => count > 0);
  const calls = store.calls.map(
    ({ name, by, startedMs }) =>
      `  ${name === '' ? 'anonymous' : name} of ${by}, since ${time(startedMs)}\n`,
  );
  return `${fields([
    ['Key store', store.ready ? 'ready' : 'not ready'],
    ['Changes', store.readOnly === '' ? 'taken' : `refused: ${store.readOnly}`],
    ['Version', store.storeVersion],
    ['Cipher', store.cipher],
    ['Total Key Groups', store.keyGroups],
    ['Total Keys', store.keys],
    ['Keys by state', states.map(([state, count]) => `${count} ${state}`).join(', ')],
    ['Outstanding Quiesce Calls', store.quiesceCalls],
    ['HMK ID', `${store.hmkId} (${origin(store.hmkFromPassphrase)})`],
    ['KPK ID', `${store.kpkId} (${origin(store.kpkFromPassphrase)})`],
    ['Generation', store.generation],
    ['Epoch', store.epoch],
    ['Keys on hold', store.heldTags.join(' ')],
    ['Audit trail', `${store.auditSeq} lines, head ${store.auditHash.slice(0, 16)}`],
    ['Created', time(store.createdMs)],
    ['Modified', time(store.modifiedMs)],
  ])}${calls.join('')}`;
}

function time(ms: bigint): string {
  return formatDateTime(ms / 1_000n);
}
