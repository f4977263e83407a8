// Logins against a scripted target: what is agreed on, who proves what, and every way to fail.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { INITIATOR_NAME, Kit, loginError } from '../../test/initiator-kit.ts';
import { TARGET_NAME } from '../../test/scripted-target.ts';
import { newHeader, OPCODE } from '../wire/pdu.ts';
import { encodeKeys } from '../wire/text-keys.ts';

const SECRET = Buffer.from('initiator-secret');
const TARGET_SECRET = Buffer.from('target-side-secret');
const CHAP = { user: 'tape', secret: SECRET };
const MUTUAL = { ...CHAP, target: { user: 'robot', secret: TARGET_SECRET } };
const ASKS = { user: 'tape', secret: 'initiator-secret' };

describe('negotiation', () => {
  test('the first request names both sides and asks for no authentication where none is set', () => {
    const kit = new Kit();
    kit.login();
    expect(kit.target.offered.slice(0, 4)).toEqual([
      ['InitiatorName', INITIATOR_NAME],
      ['SessionType', 'Normal'],
      ['TargetName', TARGET_NAME],
      ['AuthMethod', 'None'],
    ]);
    expect(kit.negotiated).toMatchObject({ portalGroup: 1, sendSegmentBytes: 8192 });
  });

  test('each key gets the result of its own rule', () => {
    const keys = {
      MaxRecvDataSegmentLength: '4096',
      MaxBurstLength: '16384',
      FirstBurstLength: '32768',
      InitialR2T: 'Yes',
      ImmediateData: 'No',
      HeaderDigest: 'CRC32C',
      DataDigest: 'None',
    };
    const kit = new Kit({ script: { keys } });
    kit.login();
    expect(kit.negotiated).toEqual({
      headerDigest: true,
      dataDigest: false,
      receiveSegmentBytes: 65_536,
      sendSegmentBytes: 4096,
      maxBurstBytes: 16_384,
      firstBurstBytes: 16_384,
      initialR2T: true,
      immediateData: false,
      portalGroup: 1,
    });
  });

  test('a target that brings up keys of its own is answered before the stage is left', () => {
    const declares = [
      ['MaxRecvDataSegmentLength', '262144'],
      ['X-com.example.cache', 'Yes'],
      ['IFMarker', 'Yes'],
    ] as const;
    const kit = new Kit({ script: { declares } });
    kit.login();
    expect(kit.negotiated?.sendSegmentBytes).toBe(262_144);
    expect(kit.target.offered).toContainEqual(['X-com.example.cache', 'NotUnderstood']);
  });

  test('a text in pieces is put together, in every cut of the bytes', () => {
    for (const cutBytes of [1, 7, 48, 1000]) {
      const kit = new Kit({ script: { textBytes: 11, chap: ASKS }, chap: CHAP, cutBytes });
      kit.login();
      expect(kit.negotiated?.maxBurstBytes).toBe(262_144);
    }
  });

  test.each([
    [
      'a digest that is required and not offered',
      { HeaderDigest: 'None' },
      'no HeaderDigest suits',
    ],
    [
      'a digest that is required and refused',
      { HeaderDigest: 'Reject' },
      'refuses the HeaderDigest',
    ],
    [
      'a word that is neither Yes nor No',
      { HeaderDigest: 'CRC32C', InitialR2T: 'Maybe' },
      'neither Yes nor No',
    ],
    ['a number out of its range', { HeaderDigest: 'CRC32C', MaxBurstLength: '17' }, 'not a number'],
  ])('%s fails the login', (_, keys, text) => {
    const wishes = { headerDigest: 'required' } as const;
    expect(loginError({ script: { keys }, wishes }).message).toContain(text);
  });

  test('a discovery session asks for no target and fetches a long list', () => {
    for (const textBytes of [5, 1000]) {
      const kit = new Kit({ discovery: true, script: { textBytes } });
      const fullFeature = kit.login();
      let text = '';
      fullFeature.text(Buffer.from('SendTargets=All\0'), (reply) => {
        if (!(reply instanceof Error)) text = reply.text.toString();
      });
      kit.pump();
      expect(text).toContain(`TargetName=${TARGET_NAME}\0TargetAddress=127.0.0.1:3260,1\0`);
      expect(kit.target.offered.map(([key]) => key)).not.toContain('TargetName');
    }
  });
});

describe('authentication', () => {
  test.each([
    [5, 'md5'],
    [6, 'sha1'],
    [7, 'sha256'],
    [8, 'sha3-256'],
  ] as const)('CHAP with algorithm %i proves us', (algorithm, hash) => {
    const chap = { ...CHAP, hashes: [hash] };
    const kit = new Kit({ script: { chap: { ...ASKS, algorithm } }, chap });
    kit.login();
    expect(kit.negotiated).toBeDefined();
  });

  test('an algorithm that was not offered is refused', () => {
    const error = loginError({ script: { chap: { ...ASKS, algorithm: 6 } }, chap: CHAP });
    expect(error.message).toContain('CHAP algorithm 6 was not offered');
  });

  test('mutual CHAP proves both', () => {
    const proves = { user: 'robot', secret: 'target-side-secret' };
    const kit = new Kit({ script: { chap: { ...ASKS, proves } }, chap: MUTUAL });
    kit.login();
    expect(kit.negotiated).toBeDefined();
  });

  test('a wrong secret and a missing one are refused by the target', () => {
    const wrong = { user: 'tape', secret: Buffer.from('another-secret-x') };
    expect(loginError({ script: { chap: ASKS }, chap: wrong }).loginStatus).toBe(0x0201);
    const error = loginError({ script: { chap: ASKS } });
    expect(error.loginStatus).toBe(0x0201);
    expect(error.isPermanent).toBe(true);
  });

  test('a target that proves nothing, or the wrong thing, is not trusted', () => {
    const text = 'the target did not prove';
    expect(loginError({ script: { chap: ASKS }, chap: MUTUAL }).message).toContain(text);
    for (const proves of [
      { user: 'robot', secret: 'some-other-secret' },
      { user: 'other', secret: 'target-side-secret' },
    ]) {
      const error = loginError({ script: { chap: { ...ASKS, proves } }, chap: MUTUAL });
      expect(error.message).toContain(text);
    }
  });

  test('a target that wants no proof is refused where both sides must prove themselves', () => {
    expect(loginError({ chap: MUTUAL }).message).toContain('another way of authentication');
    const kit = new Kit({ chap: CHAP });
    kit.login();
    expect(kit.negotiated).toBeDefined();
  });

  test('secrets that protect nothing are refused before anything is sent', () => {
    const short = { user: 'u', secret: Buffer.from('short') };
    expect(loginError({ chap: short }).message).toContain('at least 12 bytes');
    const same = { user: 'u', secret: SECRET, target: { secret: Buffer.from(SECRET) } };
    expect(loginError({ chap: same }).message).toContain('must differ');
  });

  test('no secret is in an error or in what is sent', () => {
    const kit = new Kit({ script: { chap: { ...ASKS, secret: 'unlike' } }, chap: MUTUAL });
    expect(() => kit.login()).toThrow();
    const sent = kit.target.seen.map(({ data }) => data.toString('latin1')).join('');
    for (const secret of [SECRET, TARGET_SECRET]) {
      for (const form of ['latin1', 'hex', 'base64'] as const) {
        const text = secret.toString(form);
        expect(sent + JSON.stringify(kit.ended) + kit.ended?.stack).not.toContain(text);
      }
    }
  });
});

describe('refusals', () => {
  test.each([
    [0x0203, true],
    [0x0206, false],
    [0x0207, true],
    [0x0301, false],
  ])('status %i is told, and whether it will come again', (loginStatus, isPermanent) => {
    const error = loginError({ script: { loginStatus } });
    expect(error).toMatchObject({ failure: 'login', loginStatus, isPermanent });
  });

  test('a target that moved says where', () => {
    const kit = new Kit({ script: { loginStatus: 0x0101, redirectTo: '[::1]:3261' } });
    expect(() => kit.login()).toThrow('the login did not end');
    expect(kit.redirects).toEqual(['[::1]:3261']);
    expect(loginError({ script: { loginStatus: 0x0101 } }).message).toContain(
      'without telling where',
    );
  });

  test.each([
    ['another PDU', newHeader(OPCODE.nopIn, 0x80, 0), 'no login response'],
    ['a reject', newHeader(OPCODE.reject, 0x80, 0), 'rejects the login'],
    ['a stage that was not asked for', newHeader(OPCODE.loginResponse, 0x83, 0), 'leaves a stage'],
    ['another stage', newHeader(OPCODE.loginResponse, 0x04, 0), 'another stage'],
    ['an answer to another request', newHeader(OPCODE.loginResponse, 0x81, 9), 'another request'],
    [
      'a text that goes on behind its end',
      newHeader(OPCODE.loginResponse, 0xc1, 0),
      'within a text',
    ],
  ])('%s ends the login', (_, header, text) => {
    const error = loginError({
      script: {
        onPdu: (__, ___, target) => {
          target.say(Buffer.from(header));
          return true;
        },
      },
    });
    expect(error.failure).toBe('protocol');
    expect(error.message).toContain(text);
  });

  test('whatever comes, a login ends, goes on or waits, and nothing else is thrown', () => {
    const response = fc.record({
      opcode: fc.constantFrom(OPCODE.loginResponse, OPCODE.loginResponse, OPCODE.textResponse),
      flags: fc.constantFrom(0, 0x40, 0x81, 0x87, 0x04, 0x44, 0xff),
      tsih: fc.nat(2),
      status: fc.constantFrom(0, 0, 0, 0x0101, 0x0201, 0x0300),
      keys: fc.array(
        fc.tuple(
          fc.constantFrom(
            'AuthMethod',
            'CHAP_A',
            'CHAP_I',
            'CHAP_C',
            'CHAP_R',
            'MaxBurstLength',
            'X',
          ),
          fc.constantFrom('CHAP', 'None', '5', '0x00', '1024', '', '0b!', 'Reject'),
        ),
        { maxLength: 4 },
      ),
    });
    fc.assert(
      fc.property(fc.array(response, { minLength: 1, maxLength: 6 }), fc.boolean(), (all, cut) => {
        let sn = 0;
        const left = [...all];
        const kit = new Kit({
          chap: MUTUAL,
          cutBytes: cut ? 1 : 1000,
          script: {
            onPdu: (_, __, target) => {
              const next = left.shift();
              if (next === undefined) return true;
              const header = newHeader(next.opcode, next.flags, 0);
              header.writeUInt16BE(next.tsih, 14);
              header.writeUInt16BE(next.status, 36);
              header.writeUInt32BE(sn++, 24);
              target.say(header, encodeKeys(next.keys));
              return true;
            },
          },
        });
        kit.initiator.start();
        kit.pump();
        // Nobody proved the target's secret here.
        expect(kit.fullFeature).toBeUndefined();
      }),
      { numRuns: 500 },
    );
  });

  test('a target that never comes to an end is left', () => {
    const error = loginError({
      script: {
        onPdu: (_, __, target) => {
          target.say(newHeader(OPCODE.loginResponse, 0, 0));
          return true;
        },
      },
    });
    expect(error.message).toContain('a login without an end');
  });
});
