import { ADDR_TYPE, AUTH_TYPE, BUTYPE_ATTR } from '@tapestry/ndmp';
import { expect, test } from 'vitest';
import {
  chooseButype,
  dataConnectionFor,
  directFor,
  historyFor,
  loginOrder,
} from './filer-choice.ts';
import { planFacts } from './probe-plan.ts';
import { type FilerQuirks, quirksOf } from './quirks.ts';

const generic = quirksOf({ vendor: '', product: '', system: '' }).quirks;
const isilon = quirksOf({ vendor: 'Isilon', product: '', system: '' }).quirks;
const { text, md5 } = AUTH_TYPE;

test.each([
  [['tar'], '', 'dump', 'tar'],
  [['TAR', 'DUMP'], '', '', 'DUMP'],
  [['tar', 'dump'], '', 'tar', 'tar'],
  [['tar'], 'dump', '', undefined],
  [[], 'zfs', 'dump', 'zfs'],
  [['odd'], '', '', 'odd'],
])('of %j, named %j, planned %j: %j', (offered, named, planned, expected) => {
  expect(chooseButype({ offered, named, planned, preferred: ['dump', 'tar'] })).toBe(expected);
});

test.each([
  ['md5', undefined, ['md5']],
  ['md5', [text, md5], ['md5']],
  ['text', [text, md5], ['md5', 'text']],
  ['text', [md5], ['md5']],
  ['text', [text], ['text']],
  ['text', undefined, ['text']],
] as const)('allowed %s, listed %j: %j', (allowed, listed, expected) => {
  expect(loginOrder('f', allowed, listed)).toEqual(expected);
});

test('clear text that is not allowed is refused before the password could be sent', () => {
  expect(() => loginOrder('f', 'md5', [text])).toThrow(/tpconfig.*-filer_auth text/);
});

test('the form of history follows what the type offers', () => {
  const offers = (attrs: number) => [{ name: 'tar', attrs }];
  const { backupHistoryDir, backupHistoryFile } = BUTYPE_ATTR;
  expect(historyFor(isilon, 'tar', offers(backupHistoryFile)).value).toBe('f');
  expect(historyFor(isilon, 'tar', offers(backupHistoryDir)).value).toBe('d');
  expect(historyFor(isilon, 'tar', []).value).toBe('f');
  expect(historyFor(generic, 'zfs', []).value).toBe('n');
});

test('direct access follows what the type offers, and is tried where it says nothing', () => {
  const of = (quirks: FilerQuirks, attrs: number) =>
    directFor(quirks, 'TAR', [{ name: 'tar', attrs }]).value;
  expect(of(generic, BUTYPE_ATTR.recoverDirect)).toBe(true);
  expect(of(generic, BUTYPE_ATTR.backupFileList)).toBe(false);
  expect(of(generic, 0)).toBe(true);
  expect(of({ ...generic, direct: 'always' }, BUTYPE_ATTR.backupFileList)).toBe(true);
  expect(directFor(generic, 'smtape', []).value).toBe(false);
});

const { local, tcp } = ADDR_TYPE;
const listens = { ...generic, dataConnection: 'listen' } as const;
const none: readonly string[] = [];
const own = ['dataConnection'];
const data = (more: Partial<Parameters<typeof dataConnectionFor>[0]>) =>
  dataConnectionFor({
    ...{ host: 'f', version: 4, quirks: generic, own: [], connectionTypes: [local, tcp] },
    ...more,
  });

test('who listens for the data connection is the table or the host to say', () => {
  expect(data({})).toEqual({ value: 'connect', why: 'usual for NDMP server' });
  expect(data({ connectionTypes: undefined }).value).toBe('connect');
  expect(data({ quirks: listens })).toEqual({ value: 'listen', why: 'usual for NDMP server' });
  expect(data({ quirks: listens, own })).toEqual({ value: 'listen', why: 'set for f' });
  expect(data({ quirks: listens, own, version: 3 }).value).toBe('listen');
});

test('what cannot have a data connection with us is refused in words', () => {
  expect(() => data({ connectionTypes: [local] })).toThrow(/no TCP/);
  expect(() => data({ quirks: listens, version: 2 })).toThrow(
    /version 2.*remove dataConnection of/,
  );
  expect(data({ version: 2 }).value).toBe('connect');
});

test.each([
  [
    generic,
    none,
    4,
    [tcp],
    /^the filer connects to .*; usual for NDMP server; what it refuses is tried/,
  ],
  [generic, none, 2, [], /^the filer connects to .*; usual for NDMP server; it lists no TCP$/],
  [listens, own, 3, [tcp], /^the filer listens, and .* connects to it .*; set for this host/],
  [listens, own, 2, [tcp], /^impossible; .*version 3 or 4/],
] as const)('a probe tells the way of the data: %#', (quirks, keys, version, types, words) => {
  const facts = planFacts({
    ...{ version, quirks, recognised: '', own: keys, auth: 'md5', butypes: [] },
    connectionTypes: types,
  });
  expect(facts.find(({ name }) => name === 'data')?.value).toMatch(words);
});

test('a probe tells each choice with its reason', () => {
  const attrs = BUTYPE_ATTR.backupHistoryFile | BUTYPE_ATTR.recoverDirect;
  const facts = planFacts({
    ...{ version: 3, quirks: isilon, recognised: 'it says: Isilon', auth: 'md5', own: [] },
    ...{ butypes: [{ name: 'tar', attrs }], connectionTypes: [ADDR_TYPE.local] },
  });
  const value = (name: string) => facts.find((fact) => fact.name === name)?.value;
  expect(value('profile')).toBe('PowerScale OneFS; it says: Isilon');
  expect(value('backup type')).toMatch(/^tar; the first of tar, dump/);
  expect(value('history')).toMatch(/HIST=f/);
  expect(value('direct access')).toBe('yes; type tar offers it');
  expect(value('directories')).toMatch(/by one entry each/);
  expect(value('incrementals')).toMatch(/tokens/);
  expect(value('data')).toMatch(/^impossible; .*no TCP/);
  expect(value('set at backup')).toBe('BACKUP_OPTIONS=1');
});
