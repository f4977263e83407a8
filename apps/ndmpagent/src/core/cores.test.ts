import { codec, type ImagePlan, type RestoreStep } from '@tapestry/contracts';
import { DATA_HALT, NDMP_ERROR, NdmpError, U64_MAX } from '@tapestry/ndmp';
import { expect, test } from 'vitest';
import { backupEnv, envToKeep, lookUp } from './backup-env.ts';
import { connectFailure, haltFailure, loginFailure, restoreCounts } from './outcome.ts';
import { chooseButype, quirksOf } from './quirks.ts';
import { pathBelow, planRecover } from './recover-plan.ts';

const decode = <N extends 'ImagePlan' | 'RestoreStep'>(
  name: N,
  init: Parameters<ReturnType<typeof codec<N>>['encode']>[0],
) => codec(name).decode(codec(name).encode(init));

const ours = quirksOf({ vendor: 'Tapestry', product: 'ndmpd' });
const ndmjob = quirksOf({ vendor: 'PublicDomain', product: 'NDMJOB' });
const unknown = quirksOf({ vendor: '', product: '' });

test('a filer is known by its own words', () => {
  expect([ours.name, ndmjob.name, unknown.name]).toEqual([
    'Tapestry ndmpd',
    'NDMJOB',
    'NDMP server',
  ]);
  const more = [{ ...unknown, name: 'mine', vendor: 'tapestry' }];
  expect(quirksOf({ vendor: 'Tapestry', product: '' }, more).name).toBe('mine');
});

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

const ask = { path: '/vol1', butype: 'tar', policyEnv: [] };

test('a filer with tokens begins a chain and goes on from the base image', () => {
  const full = backupEnv({ ...ask, image: decode('ImagePlan', {}) as ImagePlan, quirks: ours });
  expect(full.recordsDate).toBe(false);
  expect(lookUp(full.env, 'BASE_DATE')).toBe('0');
  const image = decode('ImagePlan', {
    level: 1,
    baseBackupId: 'b0',
    baseEnv: [{ name: 'DUMP_DATE', value: '77' }],
  }) as ImagePlan;
  const next = backupEnv({ ...ask, image, quirks: ours });
  expect(lookUp(next.env, 'BASE_DATE')).toBe('77');
  expect(lookUp(next.env, 'UPDATE')).toBe('n');
  expect(lookUp(next.env, 'LEVEL')).toBe(undefined);
});

test('a filer without tokens gets levels and keeps its own dates', () => {
  const image = decode('ImagePlan', {
    level: 2,
    baseEnv: [{ name: 'DUMP_DATE', value: '77' }],
  }) as ImagePlan;
  const made = backupEnv({ ...ask, image, quirks: unknown });
  expect(made.recordsDate).toBe(true);
  expect([lookUp(made.env, 'LEVEL'), lookUp(made.env, 'UPDATE')]).toEqual(['2', 'y']);
});

test('a policy may set history, and not what belongs to us', () => {
  const policyEnv = [
    { name: 'HIST', value: 'n' },
    { name: 'FILESYSTEM', value: '/etc' },
    { name: 'EXCLUDE', value: '*.tmp' },
  ];
  const image = decode('ImagePlan', {}) as ImagePlan;
  const { env } = backupEnv({ ...ask, policyEnv, image, quirks: unknown });
  expect(env.filter(({ name }) => name === 'HIST')).toEqual([{ name: 'HIST', value: 'n' }]);
  expect(lookUp(env, 'FILESYSTEM')).toBe('/vol1');
  expect(lookUp(env, 'EXCLUDE')).toBe('*.tmp');
});

test('what the server does not return of our variables is kept too', () => {
  const sent = [
    { name: 'A', value: '1' },
    { name: 'B', value: '2' },
  ];
  expect(envToKeep(sent, [{ name: 'A', value: '9' }])).toEqual([
    { name: 'A', value: '9' },
    { name: 'B', value: '2' },
  ]);
});

const bytes = (text: string): Uint8Array => Buffer.from(text, 'utf8');

function restoreStep(entries: { path: string; to?: string; fhInfo?: bigint; dir?: boolean }[]) {
  return decode('RestoreStep', {
    path: '/vol1',
    butype: 'tar',
    directAccess: true,
    env: [{ name: 'FILESYSTEM', value: '/vol1' }],
    entries: entries.map(({ path, to, fhInfo = 5n, dir = false }) => ({
      ...{ originalPath: bytes(path), destinationPath: bytes(to ?? path), fhInfo, directory: dir },
    })),
  }) as RestoreStep;
}

test('names are relative to the backup root, sorted by their place, with the whole target', () => {
  const step = restoreStep([
    { path: '/vol1/b', fhInfo: 900n },
    { path: '/vol1/a', to: '/vol2/x', fhInfo: 10n },
  ]);
  const { names, env, direct } = planRecover(step, 4, unknown);
  expect(names.map(({ originalPath, destinationPath }) => [originalPath, destinationPath])).toEqual(
    [
      ['/a', '/vol2/x'],
      ['/b', '/vol1/b'],
    ],
  );
  expect(direct).toBe(true);
  expect(lookUp(env, 'DIRECT')).toBe('y');
});

test('version 3 gets directory and name apart', () => {
  const { names } = planRecover(restoreStep([{ path: '/vol1/d/a', to: '/vol2/x' }]), 3, unknown);
  expect(names[0]).toMatchObject({ originalPath: '/d/a', destinationPath: '/vol2', name: 'x' });
});

test('direct access only where every entry has a place', () => {
  const withUnknown = restoreStep([{ path: '/vol1/a' }, { path: '/vol1/b', fhInfo: U64_MAX }]);
  expect(planRecover(withUnknown, 4, unknown).direct).toBe(false);
  const directory = restoreStep([{ path: '/vol1/d', dir: true }]);
  expect(planRecover(directory, 4, unknown).direct).toBe(false);
  expect(planRecover(directory, 4, ours).direct).toBe(true);
});

test('the whole backup has the name that the filer wants', () => {
  const step = restoreStep([{ path: '/vol1/', to: '/vol2' }]);
  expect(planRecover(step, 4, unknown).names[0]?.originalPath).toBe('');
  expect(planRecover(step, 4, ndmjob).names[0]).toMatchObject({
    originalPath: '/',
    destinationPath: '/vol2',
  });
});

test.each([
  ['/vol1', '/vol1/a', '/a'],
  ['/vol1/', '/vol1', ''],
  ['/', '/a', '/a'],
  ['/vol1', '/vol10/a', '/vol10/a'],
])('below %s, %s is %s', (root, path, expected) => {
  expect(pathBelow(Buffer.from(root), Buffer.from(path)).toString()).toBe(expected);
});

test('only a successful halt is no failure; a failed one keeps the filer’s words', () => {
  const facts = { text: '', logTail: ['no such path'], host: 'filer', isRestore: false };
  expect(haltFailure({ ...facts, reason: DATA_HALT.successful })).toBe(null);
  const failure = haltFailure({ ...facts, reason: DATA_HALT.internalError });
  expect(failure?.code).toBe(99);
  expect(failure?.detail).toMatch(/internalError.*no such path/);
});

test('a refused log-in names host, user and cure', () => {
  const refused = new NdmpError('refused', 'connectClientAuth', {
    error: NDMP_ERROR.notAuthorized,
  });
  expect(loginFailure(refused, 'filer', 'backup')).toMatchObject({ code: 99 });
  expect(loginFailure(refused, 'filer', 'backup').detail).toMatch(/filer.*backup.*tpconfig/);
});

test.each([
  ['ECONNREFUSED', 58],
  ['ETIMEDOUT', 41],
  ['EHOSTUNREACH', 47],
  ['ENOTFOUND', 47],
])('%s is status %i', (code, status) => {
  const error = Object.assign(new Error(code), { code });
  expect(connectFailure(error, 'filer', '10.0.0.5:10000').code).toBe(status);
});

test.each([
  [
    { expectedFiles: 5n, succeeded: 0n, failed: 0n },
    { files: 5n, filesFailed: 0n },
  ],
  [
    { expectedFiles: 5n, succeeded: 1n, failed: 0n },
    { files: 5n, filesFailed: 0n },
  ],
  [
    { expectedFiles: 5n, succeeded: 3n, failed: 2n },
    { files: 3n, filesFailed: 2n },
  ],
  [
    { expectedFiles: 5n, succeeded: 0n, failed: 2n },
    { files: 3n, filesFailed: 2n },
  ],
])('%o counts as %o', (counts, expected) => {
  expect(restoreCounts(counts)).toEqual(expected);
});
