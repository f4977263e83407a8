import { expect, test } from 'vitest';
import { asStatusError, fromWire, StatusError, toWire } from './status-error.ts';
import { exitCode, STATUS, type StatusName, statusByCode } from './table.ts';

test('no two rows share a code, so a code finds its name', () => {
  const names = Object.keys(STATUS) as StatusName[];
  for (const name of names) expect(statusByCode(STATUS[name].code)).toBe(name);
});

test('an error keeps name, detail and context over the wire', () => {
  const error = new StatusError('mediaWriteError', 'A00012 block 8812', { driveId: 3 });
  const back = fromWire(toWire(error));
  expect(back.message).toBe('84 mediaWriteError: A00012 block 8812');
  expect(back.context).toEqual({ driveId: '3' });
});

test("a newer peer's name falls back to its code, and an unknown code to a system error", () => {
  const base = { detail: 'x', context: {} };
  expect(fromWire({ ...base, code: 84, name: 'brandNew' }).status).toBe('mediaWriteError');
  expect(fromWire({ ...base, code: 9999, name: 'brandNew' })).toMatchObject({
    status: 'systemError',
    context: { peerCode: 9999, peerName: 'brandNew' },
  });
});

test('anything thrown becomes a status with its cause', () => {
  const cause = new Error('disk on fire');
  expect(asStatusError(cause)).toMatchObject({ status: 'systemError', cause });
});

test('codes above eight bits exit with 252', () => {
  expect(exitCode('ndmpRestoreFailed')).toBe(252);
  expect(exitCode('cancelled')).toBe(150);
});
