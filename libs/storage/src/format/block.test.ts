import { createSecretKey, randomBytes } from 'node:crypto';
import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  type BlockType,
  decryptBlock,
  openBlock,
  PAYLOAD_OFFSET,
  type Prologue,
  payloadCapacity,
  sealClearBlock,
  sealEncryptedBlock,
  sealMessageBlock,
} from './block.ts';
import { aesGcmBlockCipher } from './block-cipher.ts';
import { crcOfFilledField } from './crc-field.ts';

const prologues = fc.record({
  segment: fc.uint8Array({ minLength: 16, maxLength: 16 }),
  type: fc.constantFrom<BlockType[]>('data', 'finalData', 'header', 'trailer'),
  stream: fc.integer({ min: 0, max: 0xff_ffff }),
  payloadLength: fc.integer({ min: 0, max: payloadCapacity(1024) }),
  index: fc.maxSafeNat(),
  fragment: fc.integer({ min: 0, max: 0xffff_ffff }),
  streamOffset: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});

function filled(prologue: Omit<Prologue, 'encrypted'>): Buffer {
  const block = randomBytes(1024);
  block.fill(0xab, PAYLOAD_OFFSET, PAYLOAD_OFFSET + prologue.payloadLength);
  return block;
}

test('what is sealed opens with the same prologue and payload, and the rest is zero', () => {
  fc.assert(
    fc.property(prologues, (prologue) => {
      const block = filled(prologue);
      const { crc, wholeCrc } = sealClearBlock(block, { ...prologue, encrypted: false });
      expect(wholeCrc).toBe(crc32(block));
      const opened = openBlock(block);
      const { payload, ...found } = opened;
      expect(found).toEqual({
        ...prologue,
        segment: Buffer.from(prologue.segment),
        encrypted: false,
        crc,
      });
      expect(payload.every((byte) => byte === 0xab)).toBe(true);
      const behind = block.subarray(PAYLOAD_OFFSET + prologue.payloadLength);
      expect(behind.every((byte) => byte === 0)).toBe(true);
      expect(openBlock(block, wholeCrc).crc).toBe(crc);
    }),
  );
});

test('no changed bit goes unnoticed, nor a block cut short or made longer', () => {
  const prologue = {
    segment: Buffer.alloc(16, 7),
    type: 'data' as const,
    stream: 0,
    payloadLength: 900,
    index: 5,
    fragment: 1,
    streamOffset: 0n,
    encrypted: false,
  };
  const block = filled(prologue);
  sealClearBlock(block, prologue);
  const damaged = expect.objectContaining({ status: 'mediaReadError' });
  for (let bit = 0; bit < block.length * 8; bit += 3) {
    const copy = Buffer.from(block);
    copy[bit >> 3] = (copy[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(() => openBlock(copy)).toThrow(damaged);
  }
  expect(() => openBlock(block.subarray(0, 1008))).toThrow(damaged);
  expect(() => openBlock(Buffer.concat([block, Buffer.alloc(16)]))).toThrow(damaged);
  expect(() => openBlock(Buffer.alloc(0))).toThrow(damaged);
  expect(() => openBlock(block, 12345)).toThrow(damaged);
});

test('filling a field changes a checksum as reading the block again would', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ minLength: 4, maxLength: 400 }),
      fc.integer({ min: 0, max: 0xffff_ffff }),
      fc.nat(),
      (bytes, value, seed) => {
        const at = seed % (bytes.length - 3);
        const block = Buffer.from(bytes);
        block.writeUInt32BE(0, at);
        const zeroCrc = crc32(block);
        block.writeUInt32BE(value, at);
        expect(crcOfFilledField(zeroCrc, value, block.length - at - 4)).toBe(crc32(block));
      },
    ),
  );
});

test('an encrypted block opens with its key alone, and a foreign prologue breaks it', () => {
  const cipher = aesGcmBlockCipher(createSecretKey(randomBytes(32)));
  fc.assert(
    fc.property(prologues, (prologue) => {
      const block = filled(prologue);
      const plain = Buffer.from(
        block.subarray(PAYLOAD_OFFSET, PAYLOAD_OFFSET + prologue.payloadLength),
      );
      const { parts, wholeCrc } = sealEncryptedBlock(
        block,
        { ...prologue, encrypted: true },
        cipher,
      );
      const onMedium = Buffer.concat([...parts]);
      expect(wholeCrc).toBe(crc32(onMedium));
      // Damage is found without the key.
      expect(openBlock(onMedium)).toMatchObject({ encrypted: true, index: prologue.index });
      expect(plain.equals(decryptBlock(onMedium, cipher))).toBe(true);
      const wrong = aesGcmBlockCipher(createSecretKey(randomBytes(32)));
      expect(() => decryptBlock(onMedium, wrong)).toThrow(/mediaReadError/);
      onMedium[40] = (onMedium[40] as number) ^ 1;
      expect(() => decryptBlock(onMedium, cipher)).toThrow(/mediaReadError/);
    }),
    { numRuns: 40 },
  );
});

test('a message block is as short as it can be, or as long as a record', () => {
  const prologue = { segment: Buffer.alloc(16, 1), type: 'header' as const, fragment: 1 };
  const message = Buffer.alloc(2000, 3);
  expect(sealMessageBlock(message, prologue).block.length).toBe(3072);
  const padded = sealMessageBlock(message, prologue, 10_240).block;
  expect(padded.length).toBe(10_240);
  expect(Buffer.from(openBlock(padded).payload).equals(message)).toBe(true);
  expect(() => sealMessageBlock(message, prologue, 2048)).toThrow(/invalidParameter/);
});
