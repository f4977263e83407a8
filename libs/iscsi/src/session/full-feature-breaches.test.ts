// What a target may say unasked in the full-feature phase, and every breach of the rules.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { replyCode as code, failure, opened, pattern } from '../../test/initiator-kit.ts';
import type { ScriptedTarget } from '../../test/scripted-target.ts';
import { IscsiError } from '../iscsi-error.ts';
import { AT, encodeLun, FINAL, NO_TAG, newHeader, OPCODE } from '../wire/pdu.ts';
import type { CommandOutcome } from './command-task.ts';
import type { Reply } from './full-feature.ts';

const CDB = Uint8Array.of(0x0a, 0, 1, 2, 3, 0);

describe('what the target says unasked', () => {
  test('its ping is answered with its data and tag, ours comes back', () => {
    const kit = opened({});
    kit.target.ping(77, Buffer.from('are you there'));
    kit.pump();
    const { header, data } = kit.target.seen.at(-1) ?? {};
    expect(header?.readUInt32BE(AT.initiatorTag)).toBe(NO_TAG);
    expect(header?.readUInt32BE(AT.targetTag)).toBe(77);
    expect(data?.toString()).toBe('are you there');
    let answered = false;
    kit.fullFeature?.ping((reply) => {
      answered = !(reply instanceof IscsiError);
    });
    kit.pump();
    expect(answered).toBe(true);
    expect(kit.run({ cdb: CDB })).toMatchObject({ status: 0 });
  });

  test('messages are told', () => {
    const kit = opened({});
    kit.target.async(0, 0, Buffer.from('000470000600', 'hex'));
    kit.target.async(1, 9);
    kit.target.async(2);
    kit.target.async(200);
    kit.pump();
    expect(kit.asyncEvents).toEqual([
      { kind: 'scsi', sense: Buffer.from('70000600', 'hex') },
      { kind: 'logoutWanted', withinSeconds: 9 },
      { kind: 'connectionLost' },
      { kind: 'vendor', code: 200 },
    ]);
    expect(kit.ended).toBeUndefined();
  });

  test('a target that ended the tasks of a unit is believed', () => {
    const kit = opened({ script: { device: () => 'silent' } });
    const failed: number[] = [];
    for (const lun of [3, 4]) {
      kit.fullFeature?.submit({ lun: encodeLun(lun), cdb: CDB }, () => failed.push(lun));
    }
    kit.pump();
    kit.target.async(5, 0, Buffer.alloc(0), 3);
    kit.pump();
    expect(failed).toEqual([3]);
  });

  test('a rejected ping is a ping without an answer, a rejected command ends the connection', () => {
    for (const [opcode, ends] of [
      [OPCODE.nopOut, false],
      [OPCODE.scsiCommand, true],
    ] as const) {
      const kit = opened({
        script: {
          onPdu: (header, _, target) => {
            if ((header[0] ?? 0) % 64 !== opcode) return false;
            const reject = newHeader(OPCODE.reject, FINAL, NO_TAG);
            reject[AT.response] = 5;
            target.say(reject, header);
            return true;
          },
        },
      });
      let reply: Reply | undefined;
      if (opcode === OPCODE.nopOut) kit.fullFeature?.ping((each) => (reply = each));
      const outcome = ends ? kit.run({ cdb: CDB }) : undefined;
      kit.pump();
      expect((ends ? kit.ended : (reply as Error | undefined))?.message).toContain('not supported');
      expect(kit.ended !== undefined).toBe(ends);
      if (ends) expect(failure(outcome)?.failure).toBe('protocol');
    }
  });

  test('logout is answered', () => {
    const kit = opened({});
    let answered: number | undefined;
    kit.fullFeature?.logout((reply) => {
      answered = code(reply);
    });
    kit.pump();
    expect(answered).toBe(0);
    expect(kit.isClosedByTarget).toBe(true);
  });
});

describe('breaches', () => {
  test.each([
    [
      'a status number missing',
      (t: ScriptedTarget) => {
        t.skipStatSn();
        t.async(200);
      },
      'a status is missing',
    ],
    ['an unknown opcode', (t: ScriptedTarget) => t.say(newHeader(0x3d, FINAL, 1)), 'opcode 61'],
    [
      'an answer to no command',
      (t: ScriptedTarget) => t.say(newHeader(OPCODE.scsiResponse, FINAL, 99)),
      'not under way',
    ],
    [
      'a reply to no request',
      (t: ScriptedTarget) => t.say(newHeader(OPCODE.textResponse, FINAL, 99)),
      'nothing that was asked',
    ],
    [
      'a login response after the login',
      (t: ScriptedTarget) => t.say(newHeader(OPCODE.loginResponse, FINAL, 0)),
      'opcode 35',
    ],
  ])('%s ends the connection', (_, breach, text) => {
    const kit = opened({});
    breach(kit.target);
    kit.pump();
    expect(kit.ended?.failure).toBe('protocol');
    expect(kit.ended?.message).toContain(text);
  });

  test('a PDU that was damaged on its way ends the connection, and is told by its digest', () => {
    const keys = { HeaderDigest: 'CRC32C', DataDigest: 'CRC32C' };
    for (const [at, text] of [
      [20, 'header digest mismatch'],
      [60, 'data digest mismatch'],
    ] as const) {
      const dataIn = Buffer.alloc(16);
      const kit = opened({ script: { keys, device: () => ({ data: pattern(16) }) } });
      kit.damageFrom = at;
      const outcome = kit.run({ cdb: CDB, dataIn });
      expect(kit.ended?.message).toContain(text);
      expect(failure(outcome)).toMatchObject({ failure: 'protocol', mayHaveTakenEffect: true });
    }
  });

  test('a sense that is longer than its PDU ends the connection', () => {
    const kit = opened({
      script: {
        onPdu: (header, _, target) => {
          if (header[0] !== OPCODE.scsiCommand) return false;
          const tag = header.readUInt32BE(AT.initiatorTag);
          target.say(newHeader(OPCODE.scsiResponse, FINAL, tag), Buffer.from([0, 9, 1]));
          return true;
        },
      },
    });
    kit.run({ cdb: CDB });
    expect(kit.ended?.message).toContain('a cut sense');
  });

  test('whatever a target sends, commands end or wait and nothing throws', () => {
    const garbage = fc.array(
      fc.record({
        opcode: fc.constantFrom(...Object.values(OPCODE)),
        flags: fc.nat(255),
        tag: fc.constantFrom(1, 2, NO_TAG),
        at: fc.integer({ min: 1, max: 47 }),
        value: fc.nat(255),
        data: fc.uint8Array({ maxLength: 40 }),
      }),
      { minLength: 1, maxLength: 6 },
    );
    fc.assert(
      fc.property(garbage, (pdus) => {
        const kit = opened({ script: { device: () => 'silent' } });
        const outcomes: CommandOutcome[] = [];
        const dataIn = Buffer.alloc(64);
        for (const data of [{ dataIn }, { dataOut: [pattern(2000)] }]) {
          kit.fullFeature?.submit({ lun: encodeLun(0), cdb: CDB, ...data }, (outcome) => {
            outcomes.push(outcome);
          });
        }
        kit.pump();
        for (const { opcode, flags, tag, at, value, data } of pdus) {
          const header = newHeader(opcode, flags, tag);
          header[at] = value;
          kit.target.say(header, Buffer.from(data));
        }
        kit.pump();
        kit.initiator.end(new IscsiError('closed', 'test over'));
        expect(outcomes).toHaveLength(2);
      }),
      { numRuns: 500 },
    );
  });
});
