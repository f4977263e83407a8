import { codec, type Init, type Policy, type SubmitRestoreRequest } from '@tapestry/contracts';
import { expect, test } from 'vitest';
import { validateAgainstPolicy, validateBackup, validateRestore } from './validate.ts';

const YES = { allowed: true, reason: '' };
const backup = codec('SubmitBackupRequest').decode(
  codec('SubmitBackupRequest').encode({ requestId: 'r', policy: 'nas' }),
);
const restore = (fields: Init<SubmitRestoreRequest> = {}) =>
  codec('SubmitRestoreRequest').decode(
    codec('SubmitRestoreRequest').encode({
      ...{ requestId: 'r', client: 'filer1', paths: [Buffer.from('/vol/home')] },
      ...fields,
    }),
  );
const policy: Policy = codec('Policy').decode(
  codec('Policy').encode({
    ...{ name: 'nas', active: true, clients: ['filer1'], schedules: [{ name: 'full' }] },
  }),
);

test('a request that says what it must is accepted', () => {
  validateBackup(backup, YES);
  validateAgainstPolicy({ ...backup, schedule: 'full', client: 'filer1' }, policy);
  validateAgainstPolicy(backup, policy);
  validateRestore(restore(), YES);
});

test('what the rule refuses is refused with its reason, before anything else', () => {
  const no = { allowed: false, reason: 'not at night' };
  expect(() => validateBackup({ ...backup, policy: '' }, no)).toThrow('117 accessDenied: not at');
  expect(() => validateRestore(restore({ paths: [] }), no)).toThrow(/^117 /);
});

test.each<[string, () => void, number]>([
  ['no request id', () => validateBackup({ ...backup, requestId: '' }, YES), 133],
  ['no policy', () => validateBackup({ ...backup, policy: '' }, YES), 133],
  ['inactive', () => validateAgainstPolicy(backup, { ...policy, active: false }), 247],
  ['no such schedule', () => validateAgainstPolicy({ ...backup, schedule: 'x' }, policy), 197],
  ['no such client', () => validateAgainstPolicy({ ...backup, client: 'x' }, policy), 239],
  ['no client', () => validateRestore(restore({ client: '' }), YES), 133],
  ['no paths', () => validateRestore(restore({ paths: [] }), YES), 133],
  ['a relative path', () => validateRestore(restore({ paths: [Buffer.from('vol')] }), YES), 104],
  ['a NUL', () => validateRestore(restore({ paths: [Buffer.from('/a\0b')] }), YES), 104],
  ['times', () => validateRestore(restore({ startS: 9n, endS: 8n }), YES), 133],
  [
    'a relative rename',
    () =>
      validateRestore(
        restore({ renames: [{ from: Buffer.from('/a'), to: Buffer.from('b') }] }),
        YES,
      ),
    104,
  ],
])('%s is refused with its code', (_name, check, code) => {
  expect(check).toThrow(new RegExp(`^${code} `));
});
