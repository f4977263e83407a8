// Negotiation of extensions, and the two that there are: the test extension, and addresses of IPv6.

import { describe, expect, test } from 'vitest';
import { tcpAddress } from './addresses.ts';
import { ADDR_TYPE, DATA_STATE, MOVER_MODE, NDMP_ERROR } from './constants.ts';
import { encodeRequest } from './envelope.ts';
import { IPV6_CLASS } from './message-class.ts';
import { messagesOf, type NdmpVersion } from './messages.ts';
import { connect } from './recorded-sessions.test-data.ts';
import {
  ask,
  authed,
  deeds,
  errorOf,
  FULL_FACTS,
  run,
  TAPE,
  TCP6,
} from './server-kit.test-data.ts';
import type { ServerFacts } from './server-state.ts';
import { XdrReader, XdrWriter } from './xdr.ts';

describe('extensions', () => {
  const discover = ask('configGetExtList');
  const choose = (...selected: { classId: number; version: number }[]) =>
    ask('configSetExtList', { selected });
  const cab = { classId: 0x2052, version: 1 };
  const test2 = { classId: 0x7ff0, version: 2 };
  const echo = (short?: number) =>
    ask('testEcho', short === undefined ? { message: 'hi' } : { message: 'hi', short });
  const errors = (...events: ReturnType<typeof ask>[]): unknown =>
    run(authed(), events)
      .effects.filter((effect) => effect.do === 'reply')
      .map((effect) => effect.body.error);

  test('discover, choose, use', () => {
    const { effects } = run(authed(), [discover, choose(cab, test2), echo(9)]);
    expect(effects).toMatchObject([
      { body: { classes: [{ classId: 0x7ff0, versions: [1, 2] }, { classId: 0x2052 }, {}] } },
      { body: { error: 0 } },
      { body: { error: 0, message: 'hi', short: 9 } },
    ]);
  });

  test('without negotiation the first version is spoken', () => {
    const { effects } = run(authed(), [echo(9)]);
    expect(effects[0]).toMatchObject({ body: { error: 0, message: 'hi' } });
    expect(effects[0]).not.toMatchObject({ body: { short: 9 } });
  });

  const illegal = NDMP_ERROR.extensionNegotiationIllegal;
  test.each([
    ['choosing before discovering', [choose(cab)], [NDMP_ERROR.precondition]],
    ['a class twice', [discover, choose(cab, cab)], [0, NDMP_ERROR.extensionDuplicateClasses]],
    [
      'an unknown class',
      [discover, choose({ classId: 9, version: 1 })],
      [0, NDMP_ERROR.classNotSupported],
    ],
    [
      'an unknown version',
      [discover, choose({ classId: 0x2052, version: 2 })],
      [0, NDMP_ERROR.versionNotSupported],
    ],
    ['a choice after a refused one', [discover, choose(cab, cab), choose(cab)], [0, 29, 0]],
    ['choosing twice', [discover, choose(cab), choose(cab)], [0, 0, illegal]],
    ['discovering after choosing', [discover, choose(cab), discover], [0, 0, illegal]],
    ['discovering after use', [echo(), discover], [0, illegal]],
    [
      'a class that was not chosen',
      [discover, choose(cab), echo()],
      [0, 0, NDMP_ERROR.notSupported],
    ],
    [
      'the layout of another version',
      [discover, choose(test2), echo()],
      [0, 0, NDMP_ERROR.illegalArgs],
    ],
  ])('%s', (_title, events, expected) => {
    expect(errors(...events)).toEqual(expected);
  });
});

const illegalArgs = NDMP_ERROR.illegalArgs;
const discover = ask('configGetExtList');
const choose = (classId: number) =>
  ask('configSetExtList', { selected: [{ classId, version: 1 }] });
const isIpv6 = { addressType: ADDR_TYPE.tcp6 };

describe('addresses of IPv6', () => {
  const requests = [
    ask('dataListen', isIpv6),
    ask('dataConnect', { address: TCP6 }),
    ask('moverListen', { mode: MOVER_MODE.read, ...isIpv6 }),
    ask('moverConnect', { mode: MOVER_MODE.read, address: TCP6 }),
  ];
  const asked = (
    event: (typeof requests)[number],
    {
      version = 4 as NdmpVersion,
      before = [discover, choose(IPV6_CLASS)],
      facts = FULL_FACTS,
    } = {},
  ) => {
    const agreed = run({ ...authed(version), device: TAPE }, before, facts);
    return run(agreed.state, [event], facts);
  };

  test.each(requests)('$name takes them from who agreed on them', (event) => {
    expect(deeds(asked(event))).toHaveLength(1);
    expect(errorOf(asked(event))).toBeUndefined();
  });

  test.each(requests)('$name refuses them from who chose something else', (event) => {
    expect(errorOf(asked(event, { before: [discover, choose(0x2052)] }))).toBe(illegalArgs);
  });

  test.each(requests)(
    '$name: who did not negotiate has the default, and now has used it',
    (event) => {
      const { state, effects } = asked(event, { before: [] });
      expect(effects).toHaveLength(1);
      const settled = { ...state, owed: undefined };
      expect(errorOf(run(settled, [discover]))).toBe(NDMP_ERROR.extensionNegotiationIllegal);
    },
  );

  test.each(requests)('$name refuses them in v3, and where the server has none', (event) => {
    expect(errorOf(asked(event, { version: 3, before: [] }))).toBe(illegalArgs);
    const facts: ServerFacts = { ...FULL_FACTS, addressTypes: [ADDR_TYPE.local, ADDR_TYPE.tcp] };
    expect(errorOf(asked(event, { facts }))).toBe(illegalArgs);
    const hidden: ServerFacts = { ...FULL_FACTS, extensions: [] };
    expect(errorOf(asked(event, { facts: hidden, before: [] }))).toBe(illegalArgs);
  });

  test('the type is listed once it is agreed on', () => {
    const types = (events: Parameters<typeof run>[1]) =>
      run(authed(), [...events, ask('configGetConnectionType')]).effects.at(-1);
    expect(types([])).toMatchObject({ body: { types: [0, 1] } });
    expect(types([discover, choose(IPV6_CLASS)])).toMatchObject({
      body: { types: [0, 1, ADDR_TYPE.tcp6] },
    });
  });

  test('they show in the state of both services', () => {
    const address = tcpAddress('2001:db8::7', 99);
    const data = run(authed(), [
      ask('dataConnect', { address: TCP6 }),
      { type: 'dialled', address },
      ask('dataGetState'),
    ]);
    expect(data.state.data.state).toBe(DATA_STATE.connected);
    expect(data.effects.at(-1)).toMatchObject({ body: { address } });
    const mover = run({ ...authed(), device: TAPE }, [
      ask('moverListen', { mode: MOVER_MODE.read, ...isIpv6 }),
      { type: 'moverListening', address },
      ask('moverGetState'),
    ]);
    expect(mover.effects.at(-1)).toMatchObject({ body: { address } });
  });
});

describe('a DMA chooses', () => {
  test('nothing of a server that does not know what an extension is', async () => {
    const { client, harness } = connect();
    await client.connectOpen();
    await client.authMd5('ndmp', 'secret');
    const { session } = harness;
    const receive = session.receive.bind(session);
    // As such servers do: the header says it, and there is no body.
    session.receive = (chunk) => {
      if (chunk.readUInt32BE(16) === 0x10a) chunk.writeUInt32BE(0x10b, 16);
      receive(chunk);
    };
    expect(await client.negotiate([{ classId: IPV6_CLASS, version: 1 }])).toEqual([]);
    client.close();
  });

  test('what the server offers of its wishes, once', async () => {
    const { client } = connect();
    await client.connectOpen();
    await client.authMd5('ndmp', 'secret');
    const wanted = [
      { classId: IPV6_CLASS, version: 1 },
      { classId: 0x2050, version: 3 },
      { classId: 0x2052, version: 7 },
    ];
    expect(await client.negotiate(wanted)).toEqual(wanted.slice(0, 1));
    expect((await client.getConnectionTypes()).types).toContain(ADDR_TYPE.tcp6);
    expect(await client.dataConnect(TCP6)).toBeUndefined();
    expect((await client.getState()).address).toEqual(TCP6);
    client.close();
  });

  test('nothing of a server that has none, and nothing before v4', async () => {
    for (const changes of [{ extensions: [] }, { versionMax: 3 as const }]) {
      const { client } = connect(changes);
      await client.connectOpen();
      await client.authMd5('ndmp', 'secret');
      expect(await client.negotiate([{ classId: IPV6_CLASS, version: 1 }])).toEqual([]);
      client.close();
    }
  });
});

test('a choice in the layout of NDMJOB is understood as well', () => {
  const { request } = messagesOf(4).requests.configSetExtList;
  const writer = new XdrWriter();
  for (const word of [0, 2, 0x2051, 1, 1, 0x2052, 2, 3, 4]) writer.u32(word);
  expect(request.decode(new XdrReader(writer.finish()))).toEqual({
    selected: [
      { classId: 0x2051, version: 1 },
      { classId: 0x2052, version: 3 },
    ],
  });
  const stamp = { version: 4 as const, sequence: 1, timeStamp: 0 };
  const none = encodeRequest(stamp, 'configSetExtList', { selected: [] }).subarray(28);
  expect(request.decode(new XdrReader(none))).toEqual({ selected: [] });
});
