import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  BEYOND_DOUBLE,
  SAMPLE_IMAGE,
  sampleHeader,
  sampleStream,
} from '../../test/media-samples.ts';
import {
  decodeFragmentHeader,
  decodeFragmentTrailer,
  encodeFragmentHeader,
  encodeFragmentTrailer,
  type FragmentTrailer,
  fragmentHeaderHash,
} from './media-messages.ts';

const encryption = {
  cipher: 'aes256Gcm' as const,
  keyTag: Buffer.alloc(32, 1),
  salt: Buffer.alloc(32, 2),
  commitment: Buffer.alloc(32, 3),
  keyGroup: 'gold',
  recoveryHint: new Uint8Array(),
};

/** Compares what was decoded whatever kind of byte array holds it. */
function plain(value: unknown): unknown {
  return JSON.parse(
    JSON.stringify(value, (_, v) => {
      if (typeof v === 'bigint') return `${v}n`;
      if (v?.type === 'Buffer') return Buffer.from(v.data).toString('hex');
      return v instanceof Uint8Array ? Buffer.from(v).toString('hex') : v;
    }),
  );
}

test('a header keeps every field, beyond what a double holds exactly', () => {
  const header = sampleHeader({
    streams: [sampleStream({ encryption, streamBeginBytes: BEYOND_DOUBLE, fragment: 7 })],
  });
  expect(plain(decodeFragmentHeader(encodeFragmentHeader(header)))).toEqual(plain(header));
});

test('every 64-bit field of header and trailer survives 2^53 + 1 and 2^64 − 1', () => {
  fc.assert(
    fc.property(fc.constantFrom(BEYOND_DOUBLE, 2n ** 64n - 1n, 0n, 1n), (n) => {
      const image = { ...SAMPLE_IMAGE, jobId: n, backupTimeMs: n, expiresMs: n };
      const header = sampleHeader({
        mediaAssignedMs: n,
        writtenMs: n,
        streams: [sampleStream({ image, streamBeginBytes: n })],
      });
      expect(plain(decodeFragmentHeader(encodeFragmentHeader(header)))).toEqual(plain(header));
      const trailer: FragmentTrailer = {
        segment: Buffer.alloc(16, 4),
        mediaId: 'A00001',
        fileNumber: 3,
        endReason: 'mediumFull',
        dataBlocks: n,
        digest: Buffer.alloc(32, 5),
        closedMs: n,
        streams: [
          {
            stream: 2,
            dataBlocks: n,
            streamEndBytes: n,
            index: { stepBytes: n, blocks: [n, 0n, n] },
            endReason: 'aborted',
            env: [{ name: 'DUMP_DATE', value: '5' }],
          },
        ],
      };
      expect(plain(decodeFragmentTrailer(encodeFragmentTrailer(trailer)))).toEqual(plain(trailer));
    }),
  );
});

test('what is no message of a known version is refused with status 173', () => {
  const refused = expect.objectContaining({ status: 'cannotReadBackupHeader' });
  expect(() => decodeFragmentHeader(Buffer.from([0x08, 2]))).toThrow(refused);
  expect(() => decodeFragmentHeader(Buffer.from([0xff, 0xff]))).toThrow(refused);
  expect(() => decodeFragmentTrailer(new Uint8Array())).toThrow(refused);
});

test('the hash that keys are bound to covers all of the header but salt and commitment', () => {
  const header = sampleHeader({ streams: [sampleStream({ encryption })] });
  const hash = fragmentHeaderHash(header);
  const salted = { ...encryption, salt: Buffer.alloc(32, 9), commitment: Buffer.alloc(32, 9) };
  const same = { ...header, streams: [sampleStream({ encryption: salted })] };
  expect(fragmentHeaderHash(same)).toEqual(hash);
  expect(fragmentHeaderHash({ ...header, mediaId: 'A00002' })).not.toEqual(hash);
});
