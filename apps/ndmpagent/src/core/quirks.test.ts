import { expect, test } from 'vitest';
import { filersSchema, forType, quirksOf, unknownTreatments, versionMaxOf } from './quirks.ts';

const identity = (vendor: string, product = '', system = '') => ({ vendor, product, system });
type Words = readonly [vendor: string, product?: string, system?: string];
const nameFor = (words: Words) => quirksOf(identity(...words)).quirks.name;

test.each([
  [['Tapestry', 'ndmpd'], 'Tapestry ndmpd'],
  [['PublicDomain', 'NDMJOB'], 'NDMJOB'],
  [['NetApp', 'NetApp Release 9.13.1'], 'NetApp ONTAP'],
  [['', '', 'NetApp'], 'NetApp ONTAP'],
  [['Isilon', 'Isilon NDMP'], 'PowerScale OneFS'],
  [['', '', 'Isilon OneFS'], 'PowerScale OneFS'],
  [['DELL EMC', 'Unity'], 'Unity'],
  [['EMC', 'CELERRA'], 'Celerra / VNX'],
  [['Oracle Corporation', 'SunOS'], 'Oracle ZFS Storage'],
  [['', ''], 'NDMP server'],
  [['Acme', 'Box'], 'NDMP server'],
] as const)('%j is treated as %s', (words, expected) => {
  expect(nameFor(words)).toBe(expected);
});

test('how a filer was recognised is told', () => {
  expect(quirksOf(identity('NetApp', 'x')).why).toBe('it says: NetApp, x');
  expect(quirksOf(identity('Acme')).why).toBe('not known: Acme');
  expect(quirksOf(identity('')).why).toBe('it does not say who it is');
});

test('rows of the operator stand before ours, and a host has the last word', () => {
  const filers = filersSchema.parse({
    rows: [{ name: 'mine', match: [{ vendor: 'netapp', product: 'old' }], direct: 'never' }],
    hosts: {
      f1: { treatAs: 'NDMJOB', versionMax: 3 },
      f2: { types: { dump: { history: 'd' } } },
    },
  });
  const ontap = (product: string, host = '') => quirksOf(identity('NetApp', product), host, filers);
  expect(ontap('OLD 7').quirks).toMatchObject({ name: 'mine', direct: 'never', chain: 'level' });
  expect(ontap('new').quirks.name).toBe('NetApp ONTAP');
  expect(ontap('new', 'f1').quirks).toMatchObject({ name: 'NDMJOB', wholeName: '/' });
  expect(ontap('new', 'f1').why).toBe('as configured');
  expect(ontap('new', 'f2').why).toMatch(/with settings of its own$/);
  expect([ontap('new', 'f1').own, ontap('new', 'f2').own]).toEqual([[], ['types']]);
  expect([versionMaxOf('f1', filers), versionMaxOf('f2', filers)]).toEqual([3, undefined]);
  const special = ontap('new', 'f2').quirks;
  expect([forType(special, 'DUMP').history, forType(special, 'smtape').history]).toEqual([
    'd',
    'n',
  ]);
});

test('a host that is to be treated as what does not exist is found', () => {
  const hosts = { f1: { treatAs: 'netapp ontap' }, f2: { treatAs: 'NetAp' } };
  expect(unknownTreatments(filersSchema.parse({ hosts }))).toEqual(['f2: there is no NetAp']);
});

test('a misspelt key of the file is an error', () => {
  const parsed = filersSchema.safeParse({ hosts: { f1: { verionMax: 3 } } });
  expect(parsed.success).toBe(false);
});
