// Tapes that libs/storage writes, read by a program that knows only the published format.

import { spawnSync } from 'node:child_process';
import { createSecretKey, randomBytes } from 'node:crypto';
import {
  copyFileSync,
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  aesGcmBlockCipher,
  createVirtualLibrary,
  type Drive,
  FIRST_ADDRESS,
  type FragmentHeader,
  FragmentWriter,
  moverFragment,
  openVirtualDrive,
  openVirtualLibrary,
  PAYLOAD_OFFSET,
  payloadCapacity,
  type StreamRecord,
  type TrailerOptions,
  writeVolumeLabel,
} from '@tapestry/storage';
import { afterAll, beforeAll, expect, test } from 'vitest';

const MIB = 1024 * 1024;
const B = 65_536;
const P = payloadCapacity(B);
let dir: string;
let folders: string[];

function run(...args: string[]) {
  const script = join(import.meta.dirname, 'read-tape.ts');
  const { stdout, stderr, status } = spawnSync(process.execPath, [script, ...args], {
    maxBuffer: 64 * MIB,
  });
  return { stdout, status, error: stderr.toString() };
}

function header(
  backupId: string,
  mediaId: string,
  fileNumber: number,
  over: Partial<StreamRecord> = {},
): FragmentHeader {
  const image = {
    backupId,
    client: 'filer1',
    policy: 'nas',
    policyType: 'NDMP',
    schedule: 'full',
    scheduleType: 0,
    jobId: 2n ** 53n + 1n,
    backupTimeMs: 1n,
    expiresMs: 2n,
    retentionLevel: 1,
    level: 0,
    streamNumber: 1,
    backupPath: '/vol/ü',
    backupType: 'tar',
    ndmpHost: 'filer1',
    env: [{ name: 'HIST', value: 'F' }],
    baseBackupId: '',
    keywords: [],
  };
  const stream: StreamRecord = {
    stream: 0,
    image,
    copy: 1,
    fragment: 1,
    streamBeginBytes: 0n,
    previousSegment: new Uint8Array(),
    encryption: null,
    ...over,
  };
  return {
    segment: randomBytes(16),
    layout: 'blocks',
    mediaId,
    mediaAssignedMs: 5n,
    fileNumber,
    blockSizeBytes: B,
    writtenMs: BigInt(fileNumber),
    mediaServer: 'media1',
    software: 'test',
    streams: [stream],
  };
}

async function put(
  drive: Drive,
  head: FragmentHeader,
  stream: Uint8Array,
  endReason: TrailerOptions['endReason'] = 'streamEnd',
): Promise<void> {
  const writer = new FragmentWriter(head);
  const cipher = head.streams[0]?.encryption
    ? aesGcmBlockCipher(createSecretKey(randomBytes(32)))
    : undefined;
  await drive.writeBlocks([{ parts: [writer.headerBlock().block] }]);
  const count = Math.max(1, Math.ceil(stream.length / P));
  for (let i = 0; i < count; i++) {
    const payload = stream.subarray(i * P, (i + 1) * P);
    const block = Buffer.alloc(B);
    block.set(payload, PAYLOAD_OFFSET);
    const options = { payloadLength: payload.length, final: i === count - 1 };
    const sealed = writer.seal(block, cipher ? { ...options, cipher } : options);
    await drive.writeBlocks([{ parts: sealed.parts, crc32: sealed.wholeCrc }]);
  }
  await drive.writeBlocks([{ parts: [writer.trailerBlock({ endReason, closedMs: 9n }).block] }]);
  await drive.writeFilemarks(1, 'sync');
}

async function putMover(drive: Drive, head: FragmentHeader, stream: Buffer): Promise<void> {
  const fragment = moverFragment({ ...head, layout: 'mover', blockSizeBytes: 10_240 }, 10_240);
  const records = Math.ceil(stream.length / 10_240);
  await drive.writeBlocks([{ parts: [fragment.headerBlock] }]);
  await drive.writeFilemarks(1, 'buffered');
  const padded = Buffer.concat([stream, Buffer.alloc(records * 10_240 - stream.length)]);
  for (let i = 0; i < records; i++) {
    await drive.writeBlocks([{ parts: [padded.subarray(i * 10_240, (i + 1) * 10_240)] }]);
  }
  await drive.writeFilemarks(1, 'buffered');
  const { block } = fragment.trailerBlock({
    endReason: 'streamEnd',
    closedMs: 1n,
    records: BigInt(records),
    streamEndBytes: BigInt(stream.length),
  });
  await drive.writeBlocks([{ parts: [block] }]);
  await drive.writeFilemarks(1, 'sync');
}

/** Three streams that share tape file 3, in turns; the third one's job stops in the middle. */
async function putMultiplexed(drive: Drive): Promise<void> {
  const images = ['shared_1', 'shared_2', 'stopped_1'].map((backupId, i) => ({
    ...header(backupId, 'A00002', 3).streams[0]!,
    stream: i + 1,
  }));
  const writer = new FragmentWriter(
    { ...header('', 'A00002', 3), streams: images },
    BigInt(2 * P + 1),
  );
  await drive.writeBlocks([{ parts: [writer.headerBlock().block] }]);
  for (let i = 0; i < 8; i++) {
    for (const [at, bytes] of shared.entries()) {
      const stream = at + 1;
      if (writer.hasEnded(stream)) continue;
      const payload = bytes.subarray(i * P, (i + 1) * P);
      const block = Buffer.alloc(B);
      block.set(payload, PAYLOAD_OFFSET);
      writer.seal(block, { stream, payloadLength: payload.length, final: payload.length < P });
      await drive.writeBlocks([{ parts: [block] }]);
    }
  }
  const endReasons = new Map([[3, 'aborted' as const]]);
  const { block } = writer.trailerBlock({ endReason: 'streamEnd', closedMs: 9n, endReasons });
  await drive.writeBlocks([{ parts: [block] }]);
  await drive.writeFilemarks(1, 'sync');
}

const shared = [randomBytes(7 * P + 5), randomBytes(3 * P), randomBytes(2 * P)];
const first = randomBytes(3 * P + 17);
const spanned = randomBytes(2 * P + 1000);
const moved = randomBytes(54_321);
const none = new Uint8Array();
const encryption = {
  cipher: 'aes256Gcm' as const,
  keyTag: randomBytes(32),
  salt: none,
  commitment: none,
  keyGroup: 'g',
  recoveryHint: none,
};

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'reader-'));
  const cartridges = ['A00001', 'A00002'].map((barcode) => ({
    barcode,
    capacityBytes: 16 * MIB,
    segmentBytes: MIB,
  }));
  await createVirtualLibrary({ dir, drives: 2, slots: 2, cartridges });
  const library = await openVirtualLibrary(dir);
  const drives: Drive[] = [];
  for (const i of [0, 1]) {
    await library.move(FIRST_ADDRESS.slot + i, FIRST_ADDRESS.drive + i);
    const drive = await openVirtualDrive({
      libraryDir: dir,
      driveIndex: i,
      owner: { grantId: 'g', epoch: 1n },
    });
    await writeVolumeLabel(drive, { mediaId: `A0000${i + 1}`, assignedMs: 5n, pool: 'NetBackup' });
    drives.push(drive);
  }
  const [one, two] = drives as [Drive, Drive];
  // Written, then overwritten from file 1 on: what was there must not be found.
  await put(one, header('gone_1', 'A00001', 1), randomBytes(2 * MIB));
  await one.locate({ file: 1, block: 0 });
  await put(one, header('first_1', 'A00001', 1), first);
  await putMover(one, header('moved_1', 'A00001', 2), moved);
  await put(one, header('secret_1', 'A00001', 5, { encryption }), randomBytes(1000));
  await put(one, header('span_1', 'A00001', 6), spanned.subarray(0, P), 'mediumFull');
  const rest = { fragment: 2, streamBeginBytes: BigInt(P) };
  await put(two, header('span_1', 'A00002', 1, rest), spanned.subarray(P));
  await put(two, header('empty_1', 'A00002', 2), none);
  await putMultiplexed(two);
  for (const drive of drives) await drive.close();
  await library.close();
  folders = ['A00001', 'A00002'].map((barcode) => join(dir, 'cartridges', barcode));
});
afterAll(() => rmSync(dir, { recursive: true }));

test('list names every fragment by what its header says', () => {
  const { stdout, status } = run('list', ...folders);
  expect(status).toBe(0);
  expect(stdout.toString().trimEnd().split('\n')).toEqual([
    'first_1\t1\t1\tA00001:1\t0\tfiler1\tnas\t/vol/ü',
    'moved_1\t1\t1\tA00001:2\t0\tfiler1\tnas\t/vol/ü\t\tmover',
    'secret_1\t1\t1\tA00001:5\t0\tfiler1\tnas\t/vol/ü\tencrypted',
    'span_1\t1\t1\tA00001:6\t0\tfiler1\tnas\t/vol/ü',
    `span_1\t1\t2\tA00002:1\t${P}\tfiler1\tnas\t/vol/ü`,
    'empty_1\t1\t1\tA00002:2\t0\tfiler1\tnas\t/vol/ü',
    ...['shared_1', 'shared_2', 'stopped_1'].map(
      (id, i) => `${id}\t1\t1\tA00002:3\t0\tfiler1\tnas\t/vol/ü\t\t\tstream ${i + 1}`,
    ),
  ]);
});

test('extract gives back the stream, byte for byte, over volumes and layouts', () => {
  for (const [backupId, stream] of [
    ['first_1', first],
    ['moved_1', moved],
    ['span_1', spanned],
    ['empty_1', none],
    ['shared_1', shared[0]!],
    ['shared_2', shared[1]!],
  ] as const) {
    const { stdout, status, error } = run('extract', backupId, ...folders);
    expect({ backupId, status, error: status === 0 ? '' : error }).toEqual({
      backupId,
      status: 0,
      error: '',
    });
    expect(stdout.equals(stream)).toBe(true);
  }
});

test('extract says what it cannot do and fails', () => {
  expect(run('extract', 'gone_1', ...folders)).toMatchObject({ status: 1 });
  expect(run('extract', 'secret_1', ...folders).error).toMatch(/encrypted/);
  expect(run('extract', 'span_1', folders[0] as string).error).toMatch(/goes on/);
  expect(run('extract', 'span_1', folders[1] as string).error).toMatch(/begins at byte 0/);
  expect(run('extract', 'stopped_1', ...folders).error).toMatch(/not whole/);
  expect(run('extract', 'span_1/2', ...folders)).toMatchObject({ status: 1 });
  expect(run('extract')).toMatchObject({ status: 2 });
});

test('verify needs no key, and finds any changed byte of any block', () => {
  expect(run('verify', ...folders).status).toBe(0);
  const copy = join(dir, 'copy');
  const original = folders[1] as string;
  cpSync(original, copy, { recursive: true });
  const names = readdirSync(copy).filter((name) => name.startsWith('seg-'));
  const name = names.sort().at(-1) as string;
  const whole = readFileSync(join(copy, name));
  for (const part of [0.2, 0.5, 0.8]) {
    const damaged = Buffer.from(whole);
    const at = Math.floor(damaged.length * part);
    damaged[at] = (damaged[at] as number) ^ 0x40;
    writeFileSync(join(copy, name), damaged);
    const { status, stdout } = run('verify', copy);
    expect({ part, status, bad: stdout.includes('bad') }).toEqual({ part, status: 1, bad: true });
  }
  copyFileSync(join(original, name), join(copy, name));
  expect(run('verify', copy).status).toBe(0);
});
