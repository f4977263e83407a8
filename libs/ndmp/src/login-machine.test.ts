// The server's proof of who it is, by the machine and against the client.

import { describe, expect, test } from 'vitest';
import { md5Answer } from './authentication.ts';
import { AUTH_TYPE, NDMP_ERROR } from './constants.ts';
import { connect } from './recorded-sessions.test-data.ts';
import { ask, authed, errorOf, FULL_FACTS } from './server-kit.test-data.ts';
import { step } from './server-machine.ts';
import type { ServerFacts } from './server-state.ts';

const { illegalArgs, notAuthorized } = NDMP_ERROR;
const challenge = Buffer.alloc(64, 7);
const prove = (attr: object, changes: Partial<ServerFacts> = {}) =>
  step(authed(), ask('connectServerAuth', { attr }), { ...FULL_FACTS, ...changes });

test('the answer to a challenge is the one that the password gives', () => {
  const { effects } = prove({ authType: AUTH_TYPE.md5, challenge });
  const digest = md5Answer('secret', challenge);
  expect(effects).toMatchObject([
    { do: 'reply', body: { error: 0, result: { type: 'md5', user: 'ndmp', digest } } },
  ]);
});

test.each([
  [
    'MD5 without a password',
    { authType: AUTH_TYPE.md5, challenge },
    { password: '' },
    notAuthorized,
  ],
  ['a text that is not allowed', { authType: AUTH_TYPE.text }, { allowText: false }, illegalArgs],
  ['no method', { authType: AUTH_TYPE.none }, {}, illegalArgs],
  ['an unknown method', { authType: 9 }, {}, illegalArgs],
])('%s is refused', (_title, attr, changes, error) => {
  expect(errorOf(prove(attr, changes))).toBe(error);
});

test('text is told where text is allowed', () => {
  const { effects } = prove({ authType: AUTH_TYPE.text });
  const result = { type: 'text', user: 'ndmp', password: 'secret' };
  expect(effects).toMatchObject([{ body: { error: 0, result } }]);
});

describe.each([2, 3, 4] as const)('a DMA in v%i', (version) => {
  test('believes the server that knows the password, and no other', async () => {
    const { client } = connect({ versionMax: version });
    await client.connectOpen();
    await expect(client.verifyServer('ndmp', 'secret')).rejects.toMatchObject({
      error: notAuthorized,
    });
    await client.authMd5('ndmp', 'secret');
    await client.verifyServer('ndmp', 'secret');
    const refused = { failure: 'refused', error: notAuthorized };
    await expect(client.verifyServer('ndmp', 'another')).rejects.toMatchObject(refused);
    await expect(client.verifyServer('root', 'secret')).rejects.toMatchObject(refused);
    client.close();
  });
});
