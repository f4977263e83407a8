// How fast tape blocks go to a target and back over loopback, beside a plain socket that carries the same bytes.
//   node libs/iscsi/bench/write-path.ts [GiB]

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_BLOCK_SIZE_BYTES, type Drive } from '@tapestry/storage';
import {
  startTgt,
  TGT_ELEMENT,
  TGT_LUN,
  TGT_TARGET,
  tgtUnavailable,
} from '../../../tools/peers/start-tgt.ts';
import {
  IscsiSession,
  makeIsid,
  openMediaChanger,
  openTapeDrive,
  type SessionOptions,
} from '../src/index.ts';
import { INITIATOR_NAME } from '../test/initiator-kit.ts';
import { ScriptedTarget, TARGET_NAME } from '../test/scripted-target.ts';

const B = DEFAULT_BLOCK_SIZE_BYTES;
const BATCH = 16;
const GIB = 1024 ** 3;

if (process.argv[2] === 'other side') runOtherSide();
else await measure(Number(process.argv[2] ?? '0.5'));

/** Listens on two ports: one that reads and answers a byte for each block, one that is a target which forgets. */
function runOtherSide(): void {
  const plain = createServer((socket) => {
    let left = B;
    socket.setNoDelay(true);
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      for (left -= chunk.length; left <= 0; left += B) socket.write('.');
    });
  });
  const target = createServer((socket) => {
    socket.setNoDelay(true);
    socket.on('error', () => {});
    const scripted = new ScriptedTarget(
      {
        discards: true,
        keys: { MaxRecvDataSegmentLength: String(B), HeaderDigest: 'None', DataDigest: 'CRC32C' },
        device: ({ cdb }) => (cdb[0] === 0x12 ? { data: Buffer.alloc(36, 1) } : {}),
      },
      (bytes) => socket.write(bytes),
      () => socket.end(),
    );
    socket.on('data', (chunk) => scripted.receive(chunk));
  });
  plain.listen(0, '127.0.0.1');
  target.listen(0, '127.0.0.1', () => {
    const ports = [plain, target].map((server) => (server.address() as { port: number }).port);
    process.send?.(ports);
  });
  process.once('disconnect', () => process.exit(0));
}

async function measure(gib: number): Promise<void> {
  const child = fork(import.meta.filename, ['other side']);
  const [[plainPort, targetPort]] = (await once(child, 'message')) as [[number, number]];
  const blocks = Math.floor((gib * GIB) / B / BATCH) * BATCH;
  await plainSocket(plainPort, blocks, 64);
  const limit = { gigabytes: 0 };
  await rate('plain socket, as it comes', blocks, limit, () => plainSocket(plainPort, blocks, 64));
  const one = 'plain socket, each block answered';
  await rate(one, blocks, limit, () => plainSocket(plainPort, blocks, 1));
  for (const dataDigest of ['off', 'required'] as const) {
    const session = new IscsiSession({ ...options(targetPort, TARGET_NAME), dataDigest });
    await session.connect(10_000);
    const name = `commands to a target that forgets, digest ${dataDigest}`;
    await writeCommands(session, BATCH * 16);
    await rate(name, blocks, limit, () => writeCommands(session, blocks));
    await session.close();
  }
  child.disconnect();
  if (tgtUnavailable() === undefined) await measureTgt(blocks, limit);
}

/** The limit is the best of the plain sockets, which come first. */
async function rate(
  name: string,
  blocks: number,
  limit: { gigabytes: number },
  work: () => Promise<void>,
): Promise<void> {
  const before = performance.now();
  const cpuBefore = process.cpuUsage();
  await work();
  const { user, system } = process.cpuUsage(cpuBefore);
  const gigabytes = (blocks * B) / (performance.now() - before) / 1e6;
  if (name.startsWith('plain')) limit.gigabytes = Math.max(limit.gigabytes, gigabytes);
  const share = `${((100 * gigabytes) / limit.gigabytes).toFixed(0).padStart(4)} %`;
  const cpu = ((user + system) / 1e6 / ((blocks * B) / 1e9)).toFixed(2);
  process.stdout.write(
    `${name.padEnd(56)} ${gigabytes.toFixed(2)} GB/s ${share}, ${cpu} s of our CPU a GB\n`,
  );
}

/** At most `depth` blocks on the way. */
async function plainSocket(port: number, blocks: number, depth: number): Promise<void> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true });
  await once(socket, 'connect');
  const block = Buffer.alloc(B, 7);
  let sent = 0;
  let answered = 0;
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    const fill = (): void => {
      while (sent < blocks && sent - answered < depth) {
        socket.write(block);
        sent += 1;
      }
      if (answered === blocks) resolve();
    };
    socket.on('data', (chunk) => {
      answered += chunk.length;
      fill();
    });
    fill();
  });
  socket.destroy();
}

function options(port: number, targetName: string): SessionOptions {
  return {
    portal: { host: '127.0.0.1', port },
    initiatorName: INITIATOR_NAME,
    targetName,
    isid: makeIsid(`bench ${targetName}`),
  };
}

async function writeCommands(session: IscsiSession, blocks: number): Promise<void> {
  const device = session.device(0);
  const dataOut = [Buffer.alloc(64, 7), Buffer.alloc(B - 64, 7)];
  const cdb = Buffer.of(0x0a, 0, B >> 16, (B >> 8) & 0xff, B & 0xff, 0);
  for (let i = 0; i < blocks; i++) await device.execute({ cdb, dataOut, timeoutMs: 60_000 });
}

async function measureTgt(blocks: number, limit: { gigabytes: number }): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-tgt-'));
  const parameters = {
    MaxRecvDataSegmentLength: String(B),
    MaxXmitDataSegmentLength: String(B),
    InitialR2T: 'No',
    FirstBurstLength: String(B),
    MaxBurstLength: '1048576',
  };
  const cartridgeMib = Math.ceil((blocks * B) / 1024 ** 2) + 64;
  const tgt = await startTgt({ dir, barcodes: ['A00001L6'], cartridgeMib, parameters });
  const session = new IscsiSession(options(tgt.port, TGT_TARGET));
  try {
    const library = await openMediaChanger({ transport: session.device(TGT_LUN.changer) });
    await library.move(TGT_ELEMENT.slot, TGT_ELEMENT.drive);
    const transport = session.device(TGT_LUN.drives[0]);
    const drive = await openTapeDrive({ transport, owner: { grantId: 'bench', epoch: 1n } });
    await rate('a drive of tgt, written', blocks, limit, () => writeDrive(drive, blocks));
    await drive.rewind();
    await rate('a drive of tgt, read', blocks, limit, () => readDrive(drive, blocks));
    await drive.close();
  } finally {
    await session.close();
    await tgt.stop();
    rmSync(dir, { recursive: true });
  }
}

async function writeDrive(drive: Drive, blocks: number): Promise<void> {
  const block = { parts: [Buffer.alloc(64, 7), Buffer.alloc(B - 64, 7)] };
  const batch = Array.from({ length: BATCH }, () => block);
  for (let i = 0; i < blocks; i += BATCH) await drive.writeBlocks(batch);
}

async function readDrive(drive: Drive, blocks: number): Promise<void> {
  const into = Buffer.alloc(B);
  for (let i = 0; i < blocks; i++) await drive.readBlock(into);
}
