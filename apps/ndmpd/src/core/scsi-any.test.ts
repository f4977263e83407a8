// Whatever bytes a DMA sends as a command: an answer comes, of the right form and no longer than was asked for.

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cdbAnswered, cdbError } from './cdb-order.ts';
import { changerStep } from './changer.ts';
import { DEVICE_TYPE } from './scsi-inquiry.ts';
import { SCSI_STATUS, type ScsiReply } from './scsi-reply.ts';
import { tapeReply } from './tape-cdb.ts';
import { DRIVES } from './tape-names.ts';

const place = { full: false, barcode: null, sourceAddress: null, accessible: true } as const;
const ELEMENTS = [
  { ...place, address: 0, type: 'robot', index: 0, driveSerial: null },
  { ...place, address: 256, type: 'drive', index: 0, driveSerial: 'D0' },
  { ...place, address: 1024, type: 'slot', index: 0, driveSerial: null, full: true, barcode: 'A1' },
] as const;
const changerFacts = {
  identity: { ...DRIVES, deviceType: DEVICE_TYPE.changer, serial: 'L' },
  elements: ELEMENTS,
  drives: DRIVES,
};
const tapeFacts = {
  identity: { ...DRIVES, deviceType: DEVICE_TYPE.tape, serial: 'D0' },
  load: { loaded: true, barcode: 'A1', writeProtected: false, worm: false },
  position: { object: 5, file: 1, block: 3 },
  tapeAlerts: [],
  capacity: { capacityBytes: 1 << 30, usedBytes: 1 },
  blockBytesMin: 1,
  blockBytesMax: 1 << 20,
};

const KNOWN = [0x00, 0x03, 0x05, 0x07, 0x12, 0x1a, 0x1e, 0x34, 0x37, 0x4d, 0x5a, 0xa5, 0xb8, 0xe7];
const cdbs = fc
  .tuple(
    fc.oneof(fc.constantFrom(...KNOWN), fc.integer({ min: 0, max: 255 })),
    fc.uint8Array({ minLength: 0, maxLength: 20 }),
  )
  .map(([opcode, rest]) => Buffer.from([opcode, ...rest]));
const orders = fc.record({
  cdb: cdbs,
  flags: fc.constantFrom(0, 1, 2),
  dataInLength: fc.integer({ min: 0, max: 300 }),
});

function expectSound(reply: ScsiReply): void {
  const isGood = reply.status === SCSI_STATUS.good;
  expect(isGood || reply.status === SCSI_STATUS.checkCondition).toBe(true);
  expect(reply.sense.length).toBe(isGood ? 0 : 18);
  if (!isGood) expect(reply.data.length).toBe(0);
}

test('a changer and a drive answer anything', () => {
  fc.assert(
    fc.property(orders, ({ cdb, flags, dataInLength }) => {
      const order = { cdb, flags, dataInLength, timeoutMs: 0, dataOut: Buffer.alloc(0) };
      if (cdbError(order) !== undefined) return;
      const step = changerStep(cdb, changerFacts);
      if (step.do === 'reply') expectSound(step.reply);
      const reply = tapeReply(cdb, tapeFacts);
      expectSound(reply);
      const { dataIn, dataOutLength } = cdbAnswered(order, reply);
      expect(dataIn.length).toBeLessThanOrEqual(flags === 1 ? dataInLength : 0);
      expect(dataOutLength).toBe(0);
    }),
    { numRuns: 2000 },
  );
});
