// The drive of an NDMP host over the bus, against ndmpd in each version and against NDMJOB: marks and positions look alike
// whatever the version does at a filemark, and no call is ever done twice.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Client } from '@tapestry/bus';
import type {
  GrantRef,
  Init,
  TapeCallReply,
  TapeCallRequest,
  TapeOperation,
} from '@tapestry/contracts';
import { createVirtualLibrary, openVirtualLibrary } from '@tapestry/storage';
import { eventually } from '@tapestry/testkit';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  NDMJOB_PASSWORD,
  NDMJOB_USER,
  ndmjobUnavailable,
  startNdmjob,
} from '../../../tools/peers/start-ndmjob.ts';
import { type FilerProcess, startFiler } from './agent-kit.ts';
import { type AgentWorld, grantOf, startAgent, startAgentWorld } from './agent-world.ts';

const unavailable = ndmjobUnavailable();
let world: AgentWorld;
let bptm: Client<'ndmpagent'>;
let filer: FilerProcess;
let root: string;
let job = 0n;

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'tape-session-'));
  const dir = join(root, 'library');
  const cartridges = [{ barcode: 'A00001L8', capacityBytes: 100_000_000 }];
  await createVirtualLibrary({ dir, drives: 1, slots: 2, cartridges });
  const library = await openVirtualLibrary(dir);
  const elements = await library.inventory();
  const place = (test: (e: (typeof elements)[number]) => boolean) => elements.find(test)!.address;
  await library.move(
    place(({ full }) => full),
    place(({ type }) => type === 'drive'),
  );
  await library.close();
  world = await startAgentWorld();
  bptm = (await world.bus.as({ service: 'bptm', host: 'media1' })).client('ndmpagent', 'media1');
  filer = await startFiler(root, root, ['--library', dir]);
  world.access.port = filer.port;
});
afterAll(async () => {
  await filer?.stop();
  await world?.stop();
  rmSync(root, { recursive: true, force: true });
});

/** An agent with a state folder of its own. */
function startNamed(name: string, env: Record<string, string> = {}) {
  const stateDir = join(root, name);
  mkdirSync(stateDir);
  return startAgent(world, stateDir, env);
}

/** One open drive, its operations numbered as bptm does it. */
class Tape {
  readonly grant: Init<GrantRef>;
  sequence = 0;

  constructor(grant: Init<GrantRef>) {
    this.grant = grant;
  }

  static async open(device = 'drive0'): Promise<Tape> {
    job += 1n;
    const tape = new Tape(grantOf(job));
    await bptm.OpenTape({ grant: tape.grant, ndmpHost: 'filer', device, writes: true });
    return tape;
  }

  call(
    operation: TapeOperation,
    fields: Init<TapeCallRequest> = {},
    repeated?: number,
  ): Promise<TapeCallReply> {
    if (repeated === undefined) this.sequence += 1;
    const sequence = repeated ?? this.sequence;
    return bptm.TapeCall({ grant: this.grant, sequence, operation, ...fields });
  }

  async write(text: string): Promise<void> {
    expect((await this.call('TAPE_OPERATION_WRITE', { block: Buffer.from(text) })).done).toBe(1);
  }

  async mark(count = 1): Promise<void> {
    expect((await this.call('TAPE_OPERATION_FILEMARKS', { count })).done).toBe(count);
  }

  /** The block's text, or what is there instead of one. */
  async read(): Promise<string> {
    const { kind, block } = await this.call('TAPE_OPERATION_READ', { count: 65_536 });
    return kind === 'block' ? Buffer.from(block).toString() : kind;
  }

  locate(fileNumber: number, blockNumber = 0): Promise<TapeCallReply> {
    return this.call('TAPE_OPERATION_LOCATE', { fileNumber, blockNumber });
  }

  async at(): Promise<string> {
    const { fileNumber, blockNumber } = await this.call('TAPE_OPERATION_POSITION');
    return `${fileNumber}.${blockNumber}`;
  }

  async alerts(): Promise<readonly number[]> {
    return (await this.call('TAPE_OPERATION_TAPE_ALERTS')).tapeAlerts;
  }

  close(): Promise<unknown> {
    return bptm.CloseTape({ grant: this.grant });
  }
}

/** Two blocks, a mark, three blocks, two marks. */
async function pattern(tape: Tape): Promise<void> {
  await tape.call('TAPE_OPERATION_REWIND');
  for (const text of ['one', 'two']) await tape.write(text);
  await tape.mark();
  for (const text of ['three', 'four', 'five']) await tape.write(text);
  await tape.mark(2);
}

async function checkDrive(tape: Tape): Promise<void> {
  await pattern(tape);
  await tape.call('TAPE_OPERATION_REWIND');
  const seen: string[] = [];
  while (seen.at(-1) !== 'endOfData' && seen.length < 20) seen.push(await tape.read());
  expect(seen.join(' ')).toBe('one two filemark three four five filemark filemark endOfData');
  await tape.locate(1, 2);
  expect([await tape.at(), await tape.read()]).toEqual(['1.2', 'five']);
  expect(await tape.read()).toBe('filemark');
  expect(await tape.at()).toBe('2.0');
  await tape.locate(0, 1);
  expect(await tape.read()).toBe('two');
  await expect(tape.locate(0, 3)).rejects.toMatchObject({ status: 'mediaPositionError' });
  await expect(tape.locate(9)).rejects.toMatchObject({ status: 'mediaPositionError' });
  // As the append point is checked: back over a mark and one block, then forward again.
  await tape.locate(2);
  await tape.call('TAPE_OPERATION_SPACE_FILEMARKS', { count: -1 });
  expect((await tape.call('TAPE_OPERATION_SPACE_BLOCKS', { count: -1 })).done).toBe(1);
  expect([await tape.read(), await tape.read(), await tape.at()]).toEqual([
    'five',
    'filemark',
    '2.0',
  ]);
}

describe.each([4, 3, 2])('ndmpd, version %i', (version) => {
  test('blocks, marks and positions', async () => {
    const agent = await startNamed(`v${version}`, { NDMPAGENT_VERSION_MAX: String(version) });
    const tape = await Tape.open();
    try {
      await checkDrive(tape);
      const library = await openVirtualLibrary(join(root, 'library'));
      for (const flag of [30, 4]) await library.raiseTapeAlert(0, flag);
      await library.close();
      expect([await tape.alerts(), await tape.alerts()]).toEqual([[4, 30], []]);
    } finally {
      await tape.close();
      await agent.stop();
    }
  });
});

test.skipIf(unavailable !== undefined)('NDMJOB: blocks, marks and positions', async () => {
  const peer = await startNdmjob({ dir: join(root, 'peer') });
  const before = { ...world.access };
  const port = Number(peer.address.slice(peer.address.lastIndexOf(':') + 1));
  Object.assign(world.access, { port, user: NDMJOB_USER, password: NDMJOB_PASSWORD });
  const agent = await startNamed('ndmjob');
  const tape = await Tape.open(peer.tape);
  try {
    await checkDrive(tape);
    // Its server passes no commands to its drives.
    expect(await tape.alerts()).toEqual([]);
  } finally {
    await tape.close();
    await agent.stop();
    await peer.stop();
    Object.assign(world.access, before);
  }
});

test('a drive that somebody else keeps is 97, an empty one 2037: told apart from a broken one', async () => {
  const agent = await startNamed('busy', { NDMPAGENT_LOAD_TIMEOUT_MS: '1000' });
  const tape = await Tape.open();
  await expect(Tape.open()).rejects.toMatchObject({ status: 'mediaInUse' });
  await tape.close();
  const library = await openVirtualLibrary(join(root, 'library'));
  const elements = await library.inventory();
  const drive = elements.find(({ type }) => type === 'drive')!.address;
  const slot = elements.find(({ type, full }) => type === 'slot' && !full)!.address;
  await library.move(drive, slot);
  await expect(Tape.open()).rejects.toMatchObject({ status: 'driveNotReady' });
  await library.move(slot, drive);
  await library.close();
  await agent.stop();
});

describe('calls', () => {
  let agent: Awaited<ReturnType<typeof startAgent>>;
  beforeAll(async () => {
    agent = await startNamed('calls', { NDMPAGENT_TAPE_SILENT_MS: '1000' });
  });
  afterAll(() => agent?.stop());

  test('a repeat is answered as before and not done again, a gap is refused', async () => {
    const tape = await Tape.open();
    await tape.call('TAPE_OPERATION_REWIND');
    const block = Buffer.from('once');
    const twice = [1, 2].map(() => tape.call('TAPE_OPERATION_WRITE', { block }, 2));
    expect((await Promise.all(twice)).map(({ done }) => done)).toEqual([1, 1]);
    tape.sequence = 2;
    await tape.mark();
    await tape.call('TAPE_OPERATION_REWIND');
    expect([await tape.read(), await tape.read()]).toEqual(['once', 'filemark']);
    const gap = tape.call('TAPE_OPERATION_REWIND', {}, tape.sequence + 2);
    await expect(gap).rejects.toMatchObject({ status: 'invalidRequest' });
    await tape.close();
    await expect(tape.at()).rejects.toMatchObject({ status: 'notFound' });
  });

  test('another grant under the same drive waits for it, or is told what it waits for', async () => {
    const tape = await Tape.open();
    const other = Tape.open();
    await tape.close();
    await (await other).close();
    await expect(Tape.open('nosuch')).rejects.toMatchObject({ status: 'mediaOpenError' });
  });

  test('a session that nobody asks any more gives its drive back', async () => {
    await Tape.open();
    await eventually('the drive is free', async () => {
      const next = await Tape.open();
      await next.close();
      return true;
    });
  });

  test('more than 64 KiB do not go over the bus', async () => {
    const tape = await Tape.open();
    const block = Buffer.alloc(65_537);
    const refused = tape.call('TAPE_OPERATION_WRITE', { block });
    await expect(refused).rejects.toMatchObject({ status: 'invalidRequest' });
    await tape.close();
  });
});
