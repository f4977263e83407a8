import { DATA_HALT, NDMP_ERROR, NdmpError } from '@tapestry/ndmp';
import { StatusError } from '@tapestry/status';
import { expect, test } from 'vitest';
import {
  bothFailed,
  dialFailure,
  mayTurnAround,
  untakenFailure,
  wayFailure,
} from './data-outcome.ts';

const call = { host: 'f', doing: 'connect to this media server at 10.0.0.9 port 7' };
const refused = (error: number, request = 'dataConnect') =>
  wayFailure(new NdmpError('refused', request, { error }), call);

test.each([
  ['connect', true],
  ['illegalArgs', true],
  ['illegalState', true],
  ['notSupported', true],
  ['notAuthorized', false],
  ['deviceBusy', false],
  ['noMemory', false],
] as const)('after %s the other way is worth a try: %s', (name, expected) => {
  expect(mayTurnAround(refused(NDMP_ERROR[name]))).toBe(expected);
});

test.each(['timedOut', 'closed', 'cancelled', 'protocol'] as const)(
  'a call that is %s leaves a filer of which nothing is known: no other way is tried',
  (failure) => {
    expect(mayTurnAround(wayFailure(new NdmpError(failure, 'dataConnect'), call))).toBe(false);
  },
);

test('what is no refusal of the filer at all is not tried the other way', () => {
  expect(mayTurnAround(new StatusError('hostUnreachable', 'no IPv4 address'))).toBe(false);
  expect(mayTurnAround(dialFailure(new StatusError('accessNotAllowed', 'no'), 'f'))).toBe(false);
});

test('silence on DATA_CONNECT names the setting', () => {
  const silent = wayFailure(new NdmpError('timedOut', 'dataConnect'), call);
  expect(silent).toMatchObject({ status: 'ndmpFailed', context: { reason: 'moverUnreachable' } });
  expect(silent.detail).toMatch(/10\.0\.0\.9 port 7.*set dataConnection of f to "listen"/);
  expect(wayFailure(new NdmpError('timedOut', 'dataListen'), call).detail).not.toMatch(/listen"/);
});

test('when both ways fail, the first failure has the status and both are told', () => {
  const dialled = dialFailure(
    new StatusError('cannotConnectToClient', 'cannot connect: f port 9 refuses'),
    'f',
  );
  const both = bothFailed(refused(NDMP_ERROR.connect), dialled);
  expect(both).toMatchObject({ status: 'ndmpFailed', context: { reason: 'moverUnreachable' } });
  expect(both.detail).toMatch(/port 7.*the other way round: f listens .* f port 9 refuses/);
});

test('a connection that the filer ended before its use fails with its words', () => {
  const facts = { host: 'f', haltReason: DATA_HALT.connectError, logTail: ['permission denied'] };
  expect(untakenFailure(facts)).toMatchObject({
    ...{ status: 'ndmpFailed', detail: expect.stringMatching(/connectError.*permission denied/) },
  });
  expect(untakenFailure({ ...facts, isRestore: true }).status).toBe('ndmpRestoreFailed');
});
