// The full-feature phase against a scripted target: data in every shape, windows and task management.

import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  replyCode as code,
  failure,
  type Kit,
  type KitOptions,
  opened,
  pattern,
} from '../../test/initiator-kit.ts';
import type { DeviceCommand, ScriptedTarget } from '../../test/scripted-target.ts';
import { IscsiError } from '../iscsi-error.ts';
import { AT, encodeLun, FINAL, NO_TAG, newHeader, OPCODE } from '../wire/pdu.ts';
import type { CommandOutcome } from './command-task.ts';

const CDB = Uint8Array.of(0x0a, 0, 1, 2, 3, 0);

describe('writes', () => {
  test('data arrive whole, whatever the two sides agreed on and however they are cut', () => {
    const shape = fc.record({
      bytes: fc.oneof(fc.nat(40), fc.integer({ min: 1000, max: 9000 })),
      segment: fc.constantFrom(512, 1000, 4096),
      firstBurst: fc.constantFrom(512, 1024, 3000),
      maxBurst: fc.constantFrom(1024, 4096),
      initialR2T: fc.boolean(),
      immediateData: fc.boolean(),
      digests: fc.boolean(),
      cutBytes: fc.constantFrom(1, 13, 100_000),
    });
    fc.assert(
      fc.property(shape, (given) => {
        const written: DeviceCommand[] = [];
        const digest = given.digests ? 'CRC32C' : 'None';
        const kit = opened({
          cutBytes: given.cutBytes,
          script: {
            r2tBytes: given.maxBurst,
            keys: {
              MaxRecvDataSegmentLength: String(given.segment),
              FirstBurstLength: String(given.firstBurst),
              MaxBurstLength: String(given.maxBurst),
              InitialR2T: given.initialR2T ? 'Yes' : 'No',
              ImmediateData: given.immediateData ? 'Yes' : 'No',
              HeaderDigest: digest,
              DataDigest: digest,
            },
            device: (command) => {
              written.push(command);
              return {};
            },
          },
        });
        const data = pattern(given.bytes);
        const dataOut = [data.subarray(0, given.bytes >> 1), data.subarray(given.bytes >> 1)];
        expect(kit.run({ cdb: CDB, dataOut, lun: 2 })).toMatchObject({
          status: 0,
          residualBytes: 0,
        });
        expect(written).toHaveLength(1);
        expect(written[0]?.dataOut.equals(data)).toBe(true);
        expect(written[0]?.lun).toBe(2);
        for (const opcode of [OPCODE.scsiCommand, OPCODE.dataOut]) {
          for (const size of kit.target.sizesOf(opcode))
            expect(size).toBeLessThanOrEqual(given.segment);
        }
        const unasked = kit.target.seen.filter(
          ({ opcode, header }) =>
            opcode === OPCODE.dataOut && header.readUInt32BE(AT.targetTag) === NO_TAG,
        );
        if (given.initialR2T) expect(unasked).toHaveLength(0);
        if (!given.immediateData) expect(kit.target.sizesOf(OPCODE.scsiCommand)).toEqual([0]);
      }),
      { numRuns: 200 },
    );
  });

  test('a block that fits goes in one PDU', () => {
    const kit = opened({ script: { keys: { MaxRecvDataSegmentLength: '65536' } } });
    kit.run({ cdb: CDB, dataOut: [pattern(65_536)] });
    expect(kit.target.sizesOf(OPCODE.scsiCommand)).toEqual([65_536]);
    expect(kit.target.sizesOf(OPCODE.dataOut)).toEqual([]);
  });

  test('a status that comes before the data were asked for ends the command', () => {
    const sense = Buffer.from('70000d00', 'hex');
    const kit = opened({ script: { earlyStatus: true, device: () => ({ status: 2, sense }) } });
    const outcome = kit.run({ cdb: CDB, dataOut: [pattern(100_000)] });
    expect(outcome).toMatchObject({ kind: 'response', status: 2, sense });
    expect(kit.ended).toBeUndefined();
    expect(kit.run({ cdb: CDB })).toMatchObject({ status: 2 });
  });

  test.each([
    ['behind the data', { offset: 9000, bytes: 2000 }, 0, 'an R2T for 2000 bytes at 9000'],
    ['of nothing', { offset: 0, bytes: 0 }, 0, 'an R2T for 0 bytes'],
    ['of more than a burst', { offset: 0, bytes: 5000 }, 0, 'an R2T for 5000 bytes'],
    ['out of order', { offset: 4096, bytes: 100 }, 3, 'an R2T is missing'],
  ])('an R2T %s ends the connection', (_, { offset, bytes }, sn, text) => {
    const kit = opened(readyToTransfer(offset, bytes, sn));
    const outcome = kit.run({ cdb: CDB, dataOut: [pattern(10_000)] });
    expect(kit.ended?.message).toContain(text);
    expect(failure(outcome)).toMatchObject({ failure: 'protocol', mayHaveTakenEffect: true });
  });

  test('a target cannot ask for the same data for ever', () => {
    const kit = opened({
      script: {
        keys: { InitialR2T: 'Yes', ImmediateData: 'No', MaxBurstLength: '4096' },
        onPdu: (header, _, target) => {
          const isOurs = [OPCODE.scsiCommand, OPCODE.dataOut].includes((header[0] ?? 0) as 1);
          if (isOurs)
            askFor(target, header, { offset: 0, bytes: 4096, sn: target.seen.length - 3 });
          return isOurs;
        },
      },
    });
    kit.run({ cdb: CDB, dataOut: [pattern(10_000)] });
    expect(kit.ended?.message).toContain('data sent before');
  });
});

function readyToTransfer(offset: number, bytes: number, sn: number): KitOptions {
  return {
    script: {
      keys: { InitialR2T: 'Yes', ImmediateData: 'No', MaxBurstLength: '4096' },
      onPdu: (header, _, target) => {
        if (header[0] !== OPCODE.scsiCommand) return false;
        askFor(target, header, { offset, bytes, sn });
        return true;
      },
    },
  };
}

function askFor(
  target: ScriptedTarget,
  command: Buffer,
  { offset, bytes, sn }: { offset: number; bytes: number; sn: number },
): void {
  const r2t = newHeader(OPCODE.r2t, FINAL, command.readUInt32BE(AT.initiatorTag));
  r2t.writeUInt32BE(sn, AT.dataSn);
  r2t.writeUInt32BE(offset, AT.bufferOffset);
  r2t.writeUInt32BE(bytes, AT.desiredBytes);
  target.say(r2t, Buffer.alloc(0), false);
}

describe('reads', () => {
  test('data arrive whole in every cut, with the status in the last of them or behind', () => {
    const shape = fc.record({
      bytes: fc.nat(5000),
      asked: fc.nat(5000),
      dataInBytes: fc.constantFrom(1, 512, 3000),
      separateStatus: fc.boolean(),
      digests: fc.boolean(),
      cutBytes: fc.constantFrom(1, 29, 100_000),
    });
    fc.assert(
      fc.property(shape, ({ bytes, asked, digests, cutBytes, dataInBytes, separateStatus }) => {
        const data = pattern(bytes);
        const digest = digests ? 'CRC32C' : 'None';
        const keys = { HeaderDigest: digest, DataDigest: digest };
        const script = { keys, dataInBytes, separateStatus, device: () => ({ data }) };
        const kit = opened({ cutBytes, script });
        const dataIn = Buffer.alloc(asked);
        const outcome = kit.run({ cdb: CDB, dataIn });
        const receivedBytes = Math.min(bytes, asked);
        expect(outcome).toMatchObject({ status: 0, receivedBytes, residualBytes: asked - bytes });
        expect(dataIn.subarray(0, receivedBytes).equals(data.subarray(0, receivedBytes))).toBe(
          true,
        );
      }),
      { numRuns: 150 },
    );
  });

  test('data that come with a sense are kept', () => {
    const sense = Buffer.from('f00020000003e80a', 'hex');
    const kit = opened({ script: { device: () => ({ status: 2, sense, data: pattern(1000) }) } });
    const dataIn = Buffer.alloc(2000);
    expect(kit.run({ cdb: CDB, dataIn })).toEqual({
      kind: 'response',
      status: 2,
      sense,
      receivedBytes: 1000,
      residualBytes: 1000,
    });
    expect(dataIn.subarray(0, 1000)).toEqual(pattern(1000));
  });

  test.each([
    ['behind the buffer', { offset: 0, sn: 0, bytes: 20 }, 'more Data-In than was asked for'],
    ['with a gap', { offset: 4, sn: 0, bytes: 4 }, 'Data-In out of order'],
    ['with a number missing', { offset: 0, sn: 1, bytes: 4 }, 'a Data-In is missing'],
  ])('Data-In %s ends the connection', (_, { offset, sn, bytes }, text) => {
    const kit = opened({
      script: {
        onPdu: (header, __, target) => {
          if (header[0] !== OPCODE.scsiCommand) return false;
          const dataIn = newHeader(OPCODE.dataIn, 0, header.readUInt32BE(AT.initiatorTag));
          dataIn.writeUInt32BE(sn, AT.dataSn);
          dataIn.writeUInt32BE(offset, AT.bufferOffset);
          target.sayWithoutStatus(dataIn, Buffer.alloc(bytes));
          return true;
        },
      },
    });
    const buffer = Buffer.alloc(100);
    const outcome = kit.run({ cdb: CDB, dataIn: buffer.subarray(0, 16) });
    expect(kit.ended?.message).toContain(text);
    expect(failure(outcome)?.mayHaveTakenEffect).toBe(true);
    expect(buffer).toEqual(Buffer.alloc(100));
  });
});

describe('the window', () => {
  test('commands wait while it is shut, and go in order when it opens', () => {
    const order: number[] = [];
    const kit = opened({
      script: {
        window: 2,
        device: ({ cdb }) => {
          order.push(cdb[1] ?? 0);
          return {};
        },
      },
    });
    kit.run({ cdb: CDB });
    kit.target.isHolding = true;
    for (let i = 1; i <= 5; i++) kit.run({ cdb: Uint8Array.of(0, i, 0, 0, 0, 0) });
    expect(kit.target.sizesOf(OPCODE.scsiCommand)).toHaveLength(3);
    kit.target.release();
    kit.pump();
    expect(order).toEqual([0, 1, 2, 3, 4, 5]);
  });

  test('a window of nothing makes a command wait, it does not fail it', () => {
    const kit = opened({ script: { window: 0 } });
    expect(kit.run({ cdb: CDB })).toBeUndefined();
    expect(kit.target.sizesOf(OPCODE.scsiCommand)).toEqual([]);
    expect(kit.ended).toBeUndefined();
  });

  test('a window that makes no sense is not believed', () => {
    const kit = opened({ script: { window: 2, device: () => 'silent' } });
    kit.target.shiftWindow(-0x1000);
    kit.target.ping(1, Buffer.alloc(0));
    kit.pump();
    for (let i = 0; i < 3; i++) kit.run({ cdb: CDB });
    expect(kit.target.sizesOf(OPCODE.scsiCommand)).toHaveLength(2);
  });

  test('one command too many fails at once, and nothing of it was sent', () => {
    const kit = opened({ commandsMax: 2, script: { device: () => 'silent' } });
    kit.run({ cdb: CDB });
    kit.run({ cdb: CDB });
    const error = failure(kit.run({ cdb: CDB }));
    expect(error).toMatchObject({ failure: 'busy', mayHaveTakenEffect: false });
  });

  test('the end of the connection says of each command whether it was sent', () => {
    const kit = opened({ script: { window: 1, device: () => 'silent' } });
    const effects: (boolean | undefined)[] = [];
    const lun = encodeLun(0);
    for (let i = 0; i < 3; i++) {
      kit.fullFeature?.submit({ lun, cdb: CDB }, (outcome) =>
        effects.push(failure(outcome)?.mayHaveTakenEffect),
      );
    }
    kit.pump();
    kit.initiator.end(new IscsiError('closed', 'gone'));
    expect(effects).toEqual([true, false, false]);
    expect(failure(kit.run({ cdb: CDB }))).toMatchObject({ mayHaveTakenEffect: false });
  });

  test('a command that waits can be taken back, one that was sent cannot', () => {
    const kit = opened({ script: { window: 1, device: () => 'silent' } });
    const lun = encodeLun(0);
    let withdrawn: CommandOutcome | undefined;
    const sent = kit.fullFeature?.submit({ lun, cdb: CDB }, () => {}) ?? 0;
    const waiting = kit.fullFeature?.submit({ lun, cdb: CDB }, (outcome) => {
      withdrawn = outcome;
    });
    expect(kit.fullFeature?.withdraw(sent)).toBe(false);
    expect(kit.fullFeature?.withdraw(waiting ?? 0)).toBe(true);
    expect(failure(withdrawn)?.mayHaveTakenEffect).toBe(false);
  });
});

describe('task management', () => {
  function withSilentCommands(taskManagement: number): {
    kit: Kit;
    failed: number[];
    tags: number[];
  } {
    const kit = opened({ script: { taskManagement, device: () => 'silent' } });
    const failed: number[] = [];
    const tags = [0, 0, 1].map(
      (lun, i) =>
        kit.fullFeature?.submit({ lun: encodeLun(lun), cdb: CDB }, () => failed.push(i)) ?? 0,
    );
    kit.pump();
    return { kit, failed, tags };
  }

  test('ABORT TASK names the task, and ends it alone', () => {
    const { kit, failed, tags } = withSilentCommands(0);
    const codes: (number | undefined)[] = [];
    kit.fullFeature?.abortTask(tags[1] ?? 0, (reply) => codes.push(code(reply)));
    kit.pump();
    expect([codes, failed]).toEqual([[0], [1]]);
    const { header } = kit.target.seen.at(-1) ?? {};
    expect(header?.[1]).toBe(0x81);
    expect(header?.readUInt32BE(AT.referencedTag)).toBe(tags[1]);
    expect(header?.readUInt32BE(AT.refCmdSn)).toBe(2);
  });

  test.each([
    ['abortTaskSet', 0x82, [0, 1]],
    ['clearTaskSet', 0x84, [0, 1]],
    ['lunReset', 0x85, [0, 1]],
    ['targetWarmReset', 0x86, [0, 1, 2]],
    ['targetColdReset', 0x87, [0, 1, 2]],
  ] as const)('%s ends the tasks that it is meant for', (what, flags, ended) => {
    const { kit, failed } = withSilentCommands(0);
    kit.fullFeature?.endTasks(what, encodeLun(0), () => {});
    kit.pump();
    expect(failed).toEqual(ended);
    expect(kit.target.seen.at(-1)?.header[AT.flags]).toBe(flags);
  });

  test('a function that is refused ends nothing', () => {
    const { kit, failed, tags } = withSilentCommands(5);
    const codes: (number | undefined)[] = [];
    kit.fullFeature?.abortTask(tags[0] ?? 0, (reply) => codes.push(code(reply)));
    kit.pump();
    expect([codes, failed]).toEqual([[5], []]);
  });
});
