// How fast tape blocks go to a target and back over loopback, beside a plain socket that carries the same bytes.
//   node libs/iscsi/bench/write-path.ts [GiB] [--json]

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
const ROUNDS = 9;
const GIB = 1024 ** 3;
const WRITE_GOAL_PERCENT = 60;

if (process.argv[2] === 'other side') runOtherSide();
else {
  const [gib = '1', form] = process.argv.slice(2);
  await measure(Number(gib), form === '--json' ? tellFigures : report);
}

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

type Tell = (workloads: readonly Workload[], rates: readonly number[]) => void;

interface Workload {
  readonly name: string;
  /** Share of the better plain socket that it should reach. */
  readonly goalPercent?: number;
  readonly run: (blocks: number) => Promise<void>;
}

/** The machine may be busy with other things: all workloads take turns, and the median of each counts. */
async function measure(gib: number, tell: Tell): Promise<void> {
  const child = fork(import.meta.filename, ['other side']);
  const [[plainPort, targetPort]] = (await once(child, 'message')) as [[number, number]];
  const blocks = Math.ceil((gib * GIB) / ROUNDS / B / BATCH) * BATCH;
  const workloads: Workload[] = [
    { name: 'plain socket, as it comes', run: (count) => plainSocket(plainPort, count, 64) },
    { name: 'plain socket, each block answered', run: (count) => plainSocket(plainPort, count, 1) },
  ];
  const closers: (() => Promise<unknown>)[] = [];
  for (const dataDigest of ['off', 'required'] as const) {
    const isid = makeIsid(`bench, digest ${dataDigest}`);
    const session = new IscsiSession({ ...options(targetPort, TARGET_NAME), isid, dataDigest });
    closers.push(() => session.close());
    const name = `commands to a target that forgets, digest ${dataDigest}`;
    const goal = dataDigest === 'off' ? { goalPercent: WRITE_GOAL_PERCENT } : {};
    workloads.push({ name, run: (count) => writeCommands(session, count), ...goal });
  }
  if (tgtUnavailable() === undefined) workloads.push(...(await tgtWorkloads(gib, closers)));
  for (const { run } of workloads) await run(BATCH * 16);
  const seconds = workloads.map((): number[] => []);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [i, { run }] of workloads.entries()) {
      const before = performance.now();
      await run(blocks);
      seconds[i]?.push((performance.now() - before) / 1e3);
    }
  }
  tell(
    workloads,
    seconds.map((each) => (blocks * B) / median(each) / 1e9),
  );
  for (const close of closers.reverse()) await close();
  child.disconnect();
}

function report(workloads: readonly Workload[], rates: readonly number[]): void {
  const limit = Math.max(...rates.slice(0, 2));
  for (const [i, { name }] of workloads.entries()) {
    const rate = rates[i] ?? 0;
    const share = ((100 * rate) / limit).toFixed(0).padStart(4);
    process.stdout.write(`${name.padEnd(56)} ${rate.toFixed(2)} GB/s ${share} %\n`);
  }
}

/** As the project's benchmark shows them. */
function tellFigures(workloads: readonly Workload[], rates: readonly number[]): void {
  const limit = Math.max(...rates.slice(0, 2));
  const figures = workloads.flatMap(({ name, goalPercent }, i) => {
    const rate = rates[i] ?? 0;
    const speed = { name: `iSCSI: ${name}`, value: rate, unit: 'GB/s', goal: '' };
    const goal = goalPercent === undefined ? '' : `≥ ${goalPercent} %`;
    const share = {
      name: 'share of the plain socket',
      value: (100 * rate) / limit,
      unit: '%',
      goal,
    };
    return i < 2 ? [speed] : [speed, share];
  });
  process.stdout.write(JSON.stringify(figures));
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
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

async function tgtWorkloads(gib: number, closers: (() => Promise<unknown>)[]): Promise<Workload[]> {
  const dir = mkdtempSync(join(tmpdir(), 'bench-tgt-'));
  closers.push(async () => rmSync(dir, { recursive: true }));
  const parameters = {
    MaxRecvDataSegmentLength: String(B),
    MaxXmitDataSegmentLength: String(B),
    InitialR2T: 'No',
    FirstBurstLength: String(B),
    MaxBurstLength: '1048576',
  };
  const cartridgeMib = Math.ceil(gib * 1024) + 64;
  const tgt = await startTgt({ dir, barcodes: ['A00001L6'], cartridgeMib, parameters });
  closers.push(() => tgt.stop());
  const session = new IscsiSession(options(tgt.port, TGT_TARGET));
  closers.push(() => session.close());
  const library = await openMediaChanger({ transport: session.device(TGT_LUN.changer) });
  await library.move(TGT_ELEMENT.slot, TGT_ELEMENT.drive);
  const transport = session.device(TGT_LUN.drives[0]);
  const drive = await openTapeDrive({ transport, owner: { grantId: 'bench', epoch: 1n } });
  closers.push(() => drive.close());
  return [
    {
      name: 'a drive of tgt, written',
      run: (count) => writeDrive(drive, count),
      goalPercent: WRITE_GOAL_PERCENT,
    },
    { name: 'a drive of tgt, read', run: (count) => readDrive(drive, count) },
  ];
}

async function writeDrive(drive: Drive, blocks: number): Promise<void> {
  await drive.rewind();
  const block = { parts: [Buffer.alloc(64, 7), Buffer.alloc(B - 64, 7)] };
  const batch = Array.from({ length: BATCH }, () => block);
  for (let i = 0; i < blocks; i += BATCH) await drive.writeBlocks(batch);
}

async function readDrive(drive: Drive, blocks: number): Promise<void> {
  await drive.rewind();
  const into = Buffer.alloc(B);
  for (let i = 0; i < blocks; i++) await drive.readBlock(into);
}
