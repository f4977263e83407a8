import { codec, type ImagePlan, type RestoreStep } from '@tapestry/contracts';
import { DATA_HALT, NDMP_ERROR, NdmpError, U64_MAX } from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';
import { expect, test } from 'vitest';
import { backupEnv, envToKeep, lookUp } from './backup-env.ts';
import {
  callFailure,
  connectFailure,
  haltFailure,
  loginFailure,
  mayHaveFailedDirect,
  mayRefuseDirect,
  openFailure,
  restoreCounts,
  withWords,
} from './outcome.ts';
import { type FilerQuirks, quirksOf } from './quirks.ts';
import { pathBelow, planRecover } from './recover-plan.ts';

const decode = <N extends 'ImagePlan' | 'RestoreStep'>(
  name: N,
  init: Parameters<ReturnType<typeof codec<N>>['encode']>[0],
) => codec(name).decode(codec(name).encode(init));

const treatment = (vendor: string, product = '') =>
  quirksOf({ vendor, product, system: '' }).quirks;
const ours = treatment('Tapestry', 'ndmpd');
const ndmjob = treatment('PublicDomain', 'NDMJOB');
const unknown = treatment('');

const ask = { path: '/vol1', butype: 'tar', policyEnv: [], history: 'y' } as const;

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

test('a level above what the filer knows is asked for as its highest, which saves more', () => {
  const image = decode('ImagePlan', { level: 12 }) as ImagePlan;
  const { env, base } = backupEnv({ ...ask, image, quirks: unknown });
  expect(lookUp(env, 'LEVEL')).toBe('9');
  expect(base).toBe('level 12, asked for as 9');
});

test('OneFS begins a chain with level 0 and asks for the token, which the next one gives back', () => {
  const isilon = treatment('Isilon', 'Isilon NDMP');
  const full = backupEnv({ ...ask, image: decode('ImagePlan', {}) as ImagePlan, quirks: isilon });
  expect([lookUp(full.env, 'LEVEL'), lookUp(full.env, 'BACKUP_OPTIONS')]).toEqual(['0', '1']);
  expect([lookUp(full.env, 'UPDATE'), full.recordsDate]).toEqual(['n', false]);
  expect(lookUp(full.env, 'BASE_DATE')).toBe(undefined);
});

test('a type has rules of its own: smtape goes on from token and backup set, without history', () => {
  const baseEnv = [
    { name: 'DUMP_DATE', value: 'snap.1' },
    { name: 'SMTAPE_BACKUP_SET_ID', value: 'abc' },
    { name: 'OTHER', value: 'x' },
  ];
  const image = decode('ImagePlan', { level: 1, baseEnv }) as ImagePlan;
  const quirks = treatment('NetApp', 'ONTAP');
  const { env } = backupEnv({ ...ask, butype: 'smtape', image, quirks });
  expect([lookUp(env, 'BASE_DATE'), lookUp(env, 'SMTAPE_BACKUP_SET_ID')]).toEqual([
    'snap.1',
    'abc',
  ]);
  expect([lookUp(env, 'DIRECT'), lookUp(env, 'OTHER')]).toEqual(['n', undefined]);
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

const yes = { value: true, why: 'it is offered' };
const recover = (
  step: RestoreStep,
  { version = 4, quirks = unknown }: { version?: number; quirks?: FilerQuirks } = {},
) => planRecover(step, { version, quirks, direct: yes });

test('names are relative to the backup root, sorted by their place, with the whole target', () => {
  const step = restoreStep([
    { path: '/vol1/b', fhInfo: 900n },
    { path: '/vol1/a', to: '/vol2/x', fhInfo: 10n },
  ]);
  const { names, env, direct } = recover(step);
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
  const { names } = recover(restoreStep([{ path: '/vol1/d/a', to: '/vol2/x' }]), {
    version: 3,
  });
  expect(names[0]).toMatchObject({ originalPath: '/d/a', destinationPath: '/vol2', name: 'x' });
});

test('version 3 of NDMJOB gets what the name is put below, version 2 of all the whole target', () => {
  const inPlace = restoreStep([{ path: '/vol1/d/a' }]);
  const { names } = recover(inPlace, { version: 3, quirks: ndmjob });
  expect(names[0]).toMatchObject({ originalPath: '/d/a', destinationPath: '/vol1', name: '' });
  const renamed = restoreStep([{ path: '/vol1/d/a', to: '/vol2/x' }]);
  expect(recover(renamed, { version: 3, quirks: ndmjob }).names[0]).toMatchObject({
    ...{ destinationPath: '', name: '/vol2/x' },
  });
  expect(recover(renamed, { version: 2 }).names[0]).toMatchObject({ destinationPath: '/vol2/x' });
});

test('direct access only where every entry has a place', () => {
  const withUnknown = restoreStep([{ path: '/vol1/a' }, { path: '/vol1/b', fhInfo: U64_MAX }]);
  expect(recover(withUnknown).direct).toBe(false);
  const directory = restoreStep([{ path: '/vol1/d', dir: true }]);
  expect(recover(directory).direct).toBe(false);
  expect(recover(directory, { quirks: ours }).direct).toBe(true);
});

test('direct access is left out where it is not offered, or all places are zero, and the reason is told', () => {
  const no = { value: false, why: 'type tar lacks it' };
  const one = restoreStep([{ path: '/vol1/a' }]);
  const plan = planRecover(one, { version: 4, quirks: unknown, direct: no });
  expect([plan.direct, plan.why]).toEqual([false, 'type tar lacks it']);
  const zeros = restoreStep([
    { path: '/vol1/a', fhInfo: 0n },
    { path: '/vol1/b', fhInfo: 0n },
  ]);
  expect(recover(zeros)).toMatchObject({ direct: false, why: 'the filer gave no places' });
});

test('filers get their own variables and their own word for an unknown place', () => {
  const ontap = treatment('NetApp');
  const step = restoreStep([{ path: '/vol1/d', dir: true }]);
  expect(lookUp(recover(step, { quirks: ontap }).env, 'ENHANCED_DAR_ENABLED')).toBe('Y');
  const picked = restoreStep([{ path: '/vol1/a', fhInfo: U64_MAX }]);
  expect(lookUp(recover(picked, { quirks: ontap }).env, 'EXTRACT')).toBe('E');
  const whole = restoreStep([{ path: '/vol1', fhInfo: U64_MAX }]);
  expect(lookUp(recover(whole, { quirks: ontap }).env, 'EXTRACT')).toBe(undefined);
  const isilon = treatment('Isilon');
  expect(recover(picked, { quirks: isilon }).names[0]?.fhInfo).toBe(0n);
  expect(recover(picked).names[0]?.fhInfo).toBe(U64_MAX);
});

test('the whole backup has the name that the filer wants', () => {
  const step = restoreStep([{ path: '/vol1/', to: '/vol2' }]);
  expect(recover(step).names[0]?.originalPath).toBe('');
  expect(recover(step, { quirks: ndmjob }).names[0]).toMatchObject({
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
  expect(failure?.detail).toMatch(/internalError.*the path is not there.*no such path/);
  expect(failure?.context).toMatchObject({ reason: 'pathNotFound', halt: 'internalError' });
});

const refusal = (error: number) => new NdmpError('refused', 'dataStartRecover', { error });

test('a refused call is told with its reason', () => {
  const failure = callFailure(refusal(NDMP_ERROR.connect), { host: 'filer', doing: 'connect' });
  expect(failure).toMatchObject({ code: 99, context: { reason: 'moverUnreachable' } });
  expect(failure.detail).toMatch(/^filer: connect: .*BPTM_DATA_HOST/);
});

test('only a failure that may come from direct access is laid on it', () => {
  const halt = { reason: DATA_HALT.internalError, text: '', host: 'filer', isRestore: true };
  const failed = (...logTail: string[]) => haltFailure({ ...halt, logTail })!;
  expect(mayHaveFailedDirect(failed(), 0n)).toBe(true);
  expect(mayHaveFailedDirect(failed(), 9n)).toBe(false);
  expect(mayHaveFailedDirect(failed('DAR is not supported'), 9n)).toBe(true);
  expect(mayHaveFailedDirect(failed('/vol2: permission denied'), 0n)).toBe(false);
});

test('a filer that takes no session is not taken for one that refuses the log-in', () => {
  const { notAuthorized } = NDMP_ERROR;
  const greeting = { error: notAuthorized, text: 'connection refused' };
  const failure = openFailure(new NdmpError('refused', 'connect', greeting), 'filer');
  expect(failure.context.reason).toBe('sessionRefused');
  const other = openFailure(new NdmpError('closed', 'connectOpen'), 'filer');
  expect(other.detail).toMatch(/open the NDMP connection/);
});

test('what the filer said meanwhile is added, and explains what nothing else does', () => {
  const plain = new StatusError('ndmpFailed', 'filer: log in: timedOut', { reason: 'unknown' });
  expect(withWords(plain, [])).toBe(plain);
  expect(withWords(plain, ['too many sessions'])).toMatchObject({
    ...{ code: 99, context: { reason: 'tooManySessions' } },
    detail: expect.stringMatching(/^filer: log in: timedOut; .*last words: too many sessions$/),
  });
  const known = new StatusError('ndmpFailed', 'x', { reason: 'loginRefused' });
  expect(withWords(known, ['no such file'])).toMatchObject({ context: { reason: 'loginRefused' } });
});

test('a start refused with direct access is tried without, unless that would be refused too', () => {
  expect(mayRefuseDirect(refusal(NDMP_ERROR.illegalArgs))).toBe(true);
  expect(mayRefuseDirect(refusal(NDMP_ERROR.permission))).toBe(false);
  expect(mayRefuseDirect(new NdmpError('closed', 'dataStartRecover'))).toBe(false);
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
