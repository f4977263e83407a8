// How fast sealed blocks go from a ring of shared memory to a virtual cartridge and back, beside the disk's own rate.
//   node libs/storage/bench/write-path.ts [folder] [GiB]

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  createVirtualLibrary,
  DEFAULT_BLOCK_SIZE_BYTES,
  FIRST_ADDRESS,
  type FragmentHeader,
  FragmentReader,
  FragmentWriter,
  openVirtualDrive,
  openVirtualLibrary,
  payloadCapacity,
  type VirtualDrive,
} from '../src/index.ts';

const GIB = 1024 ** 3;
const B = DEFAULT_BLOCK_SIZE_BYTES;
const SLOTS = 16;

const [parent = tmpdir(), gib = '1'] = process.argv.slice(2);
const rounds = Math.floor((Number(gib) * GIB) / (B * SLOTS));
const dir = mkdtempSync(join(parent, 'bench-'));
const ring = new SharedArrayBuffer(B * SLOTS);
const slots = Array.from({ length: SLOTS }, (_, i) => new Uint8Array(ring, i * B, B));

function rate(name: string, work: () => number): void {
  const before = process.hrtime.bigint();
  const bytes = work();
  const seconds = Number(process.hrtime.bigint() - before) / 1e9;
  process.stdout.write(`${name.padEnd(44)} ${(bytes / seconds / 1e9).toFixed(2)} GB/s\n`);
}

function plainFile(): number {
  const fd = openSync(join(dir, 'plain'), 'w');
  for (let i = 0; i < rounds; i++) writeSync(fd, new Uint8Array(ring));
  fdatasyncSync(fd);
  closeSync(fd);
  rmSync(join(dir, 'plain'));
  return rounds * SLOTS * B;
}

const header: FragmentHeader = {
  segment: Buffer.alloc(16, 1),
  layout: 'blocks',
  mediaId: 'A00001',
  mediaAssignedMs: 0n,
  fileNumber: 1,
  blockSizeBytes: B,
  writtenMs: 0n,
  mediaServer: 'bench',
  software: 'bench',
  streams: [],
};

function sealAll(
  write: (blocks: { parts: readonly Uint8Array[]; crc32: number }[]) => void,
): number {
  const writer = new FragmentWriter(withStream(header));
  const { block, wholeCrc } = writer.headerBlock();
  write([{ parts: [block], crc32: wholeCrc }]);
  const payloadLength = payloadCapacity(B);
  for (let round = 0; round < rounds; round++) {
    write(
      slots.map((slot) => {
        const sealed = writer.seal(slot, { payloadLength, final: false });
        return { parts: sealed.parts, crc32: sealed.wholeCrc };
      }),
    );
  }
  return rounds * SLOTS * B;
}

function withStream(plain: FragmentHeader): FragmentHeader {
  const image = {
    backupId: 'bench_1',
    client: 'c',
    policy: 'p',
    policyType: 'NDMP',
    schedule: 's',
  };
  const times = { jobId: 1n, backupTimeMs: 0n, expiresMs: 0n };
  const numbers = { scheduleType: 0, retentionLevel: 0, level: 0, streamNumber: 1 };
  const rest = {
    backupPath: '/',
    backupType: 'tar',
    ndmpHost: 'h',
    env: [],
    baseBackupId: '',
    keywords: [],
  };
  const stream = {
    stream: 0,
    image: { ...image, ...times, ...numbers, ...rest },
    copy: 1,
    fragment: 1,
    streamBeginBytes: 0n,
    previousSegment: new Uint8Array(),
    encryption: null,
  };
  return { ...plain, streams: [stream] };
}

function readAll(drive: VirtualDrive): number {
  const into = slots[0] as Uint8Array;
  let reader: FragmentReader | undefined;
  let bytes = 0;
  for (;;) {
    const result = drive.readBlockSync(into);
    if (result.kind !== 'block') return bytes;
    const block = into.subarray(0, result.lengthBytes);
    if (reader) reader.accept(block, result.crc32);
    else reader = new FragmentReader(block, result.crc32);
    bytes += result.lengthBytes;
  }
}

try {
  const capacityBytes = 4 * Number(gib) * GIB;
  await createVirtualLibrary({
    dir,
    drives: 1,
    slots: 1,
    cartridges: [{ barcode: 'B1', capacityBytes }],
  });
  const library = await openVirtualLibrary(dir);
  await library.move(FIRST_ADDRESS.slot, FIRST_ADDRESS.drive);
  const owner = { grantId: 'bench', epoch: 1n };
  const drive = await openVirtualDrive({ libraryDir: dir, driveIndex: 0, owner });
  rate('plain file, flushed', plainFile);
  rate('seal only', () => sealAll(() => {}));
  rate('seal and write, flushed', () => {
    const bytes = sealAll((blocks) => drive.writeBlocksSync(blocks));
    drive.writeFilemarksSync(1, 'sync');
    return bytes;
  });
  await drive.rewind();
  rate('read and verify', () => readAll(drive));
  await drive.close();
  await library.close();
} finally {
  rmSync(dir, { recursive: true });
}
