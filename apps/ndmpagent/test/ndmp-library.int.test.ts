// The library port's conformance suite over NDMP SCSI: a changer of ndmpd, and what the bus makes of it.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openMediaChanger } from '@tapestry/iscsi';
import { NdmpClient } from '@tapestry/ndmp';
import { createVirtualLibrary, type Library } from '@tapestry/storage';
import { libraryConformance } from '@tapestry/storage/conformance';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectNdmp } from '../src/adapters/ndmp-socket.ts';
import { NdmpScsiTransport } from '../src/robot/ndmp-scsi-transport.ts';
import { FILER_PASSWORD, FILER_USER, startFiler } from './agent-kit.ts';
import { type AgentWorld, startAgent, startAgentWorld } from './agent-world.ts';

async function makeHost(barcodes: readonly string[]) {
  const root = mkdtempSync(join(tmpdir(), 'ndmp-library-'));
  const dir = join(root, 'library');
  const cartridges = barcodes.map((barcode) => ({ barcode, capacityBytes: 64 * 1024 * 1024 }));
  await createVirtualLibrary({ dir, drives: 2, slots: 4, cartridges });
  const filer = await startFiler(root, root, ['--library', dir]);
  const stop = async (): Promise<void> => {
    await filer.stop();
    rmSync(root, { recursive: true, force: true });
  };
  return { root, port: filer.port, stop };
}

/** As the agent does it: each question and each move over a connection of its own. */
function libraryAt(port: number): Library {
  const use = async <T>(work: (library: Library) => Promise<T>): Promise<T> => {
    const never = new AbortController().signal;
    const socket = await connectNdmp({ host: '127.0.0.1', port }, 10_000, never);
    const client = new NdmpClient({ transport: socket, callTimeoutMs: 20_000 });
    await client.connectOpen();
    await client.authMd5(FILER_USER, FILER_PASSWORD);
    await client.scsi.open('changer0');
    try {
      return await work(
        await openMediaChanger({ transport: new NdmpScsiTransport(client, never) }),
      );
    } finally {
      await client.scsi.close();
      client.close();
      socket.destroy();
    }
  };
  return {
    identity: () => use((library) => library.identity()),
    inventory: () => use((library) => library.inventory()),
    rescan: () => use((library) => library.rescan()),
    move: (from, to) => use((library) => library.move(from, to)),
    close: async () => undefined,
  };
}

libraryConformance(
  'NDMP SCSI',
  async (barcodes) => {
    const host = await makeHost(barcodes);
    return {
      library: libraryAt(host.port),
      // They are opened by TAPE_OPEN.
      openDrive: null,
      reopen: async () => libraryAt(host.port),
      dispose: host.stop,
    };
  },
  { emulated: false },
);

let world: AgentWorld;
let host: Awaited<ReturnType<typeof makeHost>>;

beforeAll(async () => {
  world = await startAgentWorld();
  host = await makeHost(['A00001L8', 'A00002L8']);
  world.access.port = host.port;
});
afterAll(async () => {
  await host?.stop();
  await world?.stop();
});

test('over the bus a repeat of a move is answered and not made again, what cannot be is refused', async () => {
  const agent = await startAgent(world, host.root);
  const asLtid = await world.bus.as({ service: 'ltid', host: 'media1' });
  const ltid = asLtid.client('ndmpagent', 'media1');
  const robot = { robotNumber: 0, ndmpHost: 'filer', device: 'changer0' };
  const look = (key: string) =>
    ltid.UseRobot({ ...robot, key, operation: 'ROBOT_OPERATION_INVENTORY' });
  const move = (key: string, from: number, to: number) =>
    ltid.UseRobot({ ...robot, key, operation: 'ROBOT_OPERATION_MOVE', from, to });
  try {
    const { elements, serial } = await look('look-1');
    expect(serial).not.toBe('');
    const slot = elements.find(({ barcode }) => barcode === 'A00001L8')!.address;
    const drive = elements.find(({ type }) => type === 'drive')!.address;
    await Promise.all([move('move-1', slot, drive), move('move-1', slot, drive)]);
    await move('move-1', slot, drive);
    const after = (await look('look-2')).elements.find(({ address }) => address === drive);
    expect(after).toMatchObject({ full: true, barcode: 'A00001L8' });
    await expect(move('move-2', slot, drive)).rejects.toMatchObject({ status: 'slotEmpty' });
    await expect(move('move-3', drive, 9999)).rejects.toMatchObject({ status: 'invalidParameter' });
    const elsewhere = ltid.UseRobot({ ...robot, key: 'x', device: 'nosuch', operation: MOVE });
    await expect(elsewhere).rejects.toMatchObject({ status: 'robotMissing' });
  } finally {
    await agent.stop();
  }
});

const MOVE = 'ROBOT_OPERATION_MOVE';
