import { NDMP_ERROR } from '@tapestry/ndmp';
import { expect, test } from 'vitest';
import { explained, subReasonOf } from './sub-reason.ts';

test.each([
  ['/nowhere: no such file or directory', 'pathNotFound'],
  ['DUMP: Volume /svm/vol9 does not exist', 'pathNotFound'],
  ['cannot open /vol1: Permission denied', 'permissionDenied'],
  ['write failed: No space left on device', 'noSpace'],
  ['Failed to create snapshot: limit reached', 'snapshotFailed'],
  ['base snapshot for incremental not found', 'baseMissing'],
  ['Invalid nlist.tape_offset -1', 'directAccessRefused'],
  ['direct access restore is not supported', 'directAccessRefused'],
  ['too many NDMP sessions', 'tooManySessions'],
  ['data connection: Connection refused', 'moverUnreachable'],
  ['write: Broken pipe', 'moverLost'],
  ['restore to read-only file system', 'readOnly'],
  ['illegal environment variable LEVEL', 'badVariable'],
  ['vol1 is in use by another dump', 'busy'],
  ['Input/output error', 'ioError'],
])('%s: %s', (line, expected) => {
  expect(subReasonOf([line])?.name).toBe(expected);
});

test('words count before codes, the newest line that means something before older ones', () => {
  const lines = ['permission denied', 'no such file', 'DUMP IS ABORTED'];
  expect(subReasonOf(lines, NDMP_ERROR.io)?.name).toBe('pathNotFound');
  expect(subReasonOf(['DUMP IS ABORTED'], NDMP_ERROR.io)?.name).toBe('ioError');
  expect(subReasonOf([], NDMP_ERROR.connect)?.name).toBe('moverUnreachable');
});

test('words that mean nothing are shown, and no reason is made up', () => {
  expect(subReasonOf(['dump: 12 files done'])).toBe(null);
  const { text, context } = explained(['bye', 'now']);
  expect(text).toBe('; its last words: bye | now');
  expect(context).toEqual({ reason: 'unknown' });
});
